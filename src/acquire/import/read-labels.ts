import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf } from '../../common/errors.ts';
import type { Label } from '../../registry/manifest.ts';
import type { NamedLabels } from '../../registry/zoo.ts';

/** Labels as a manifest has them: a name of the zoo's, or the classes themselves. */
export type ManifestLabels = string | Label[];

const labelSchema = z.union([
  z.string().transform((label): Label => ({ label })),
  z
    .object({ label: z.string(), synset: z.string().optional() })
    .transform(({ label, synset }): Label => (synset === undefined ? { label } : { label, synset })),
]);
const listSchema = z.array(labelSchema).min(2);
/** `{"0": "cat", "1": "dog"}`, in any order. */
const byIndexSchema = z.record(z.string().regex(/^\d+$/), labelSchema).transform((record, context) => {
  const count = Object.keys(record).length;
  return Array.from({ length: count }, (_, index): Label => {
    const label = record[String(index)];
    if (label === undefined) context.addIssue(`there are ${count} labels, but none of index ${index}`);
    return label ?? { label: '' };
  });
});
const documentSchema = z.union([
  listSchema,
  byIndexSchema,
  z.object({ classes: listSchema }).transform(({ classes }) => classes),
  z.object({ id2label: byIndexSchema }).transform(({ id2label }) => id2label),
]);

/**
 * Labels by a name of the zoo's, or of a file: a text of a label a line, or JSON, a list of labels or of
 * `{label, synset}`, labels by their index, or an object with either as `classes` or `id2label`.
 *
 * @throws Error that says what is wrong
 */
export async function readLabels(
  wanted: string,
  named: NamedLabels,
): Promise<{ labels: ManifestLabels; count: number }> {
  if (!/\.(txt|json)$/i.test(wanted)) return { labels: wanted, count: named(wanted).length };
  const text = await readFile(wanted, 'utf8').catch((cause: unknown) => {
    throw new Error(`labels: ${wanted} cannot be read: ${messageOf(cause)}`, { cause });
  });
  const labels = wanted.toLowerCase().endsWith('.txt') ? fromLines(text) : fromJson(text, wanted);
  return { labels, count: labels.length };
}

function fromLines(text: string): Label[] {
  const lines = text
    .replace(/^\ufeff/, '')
    .trimEnd()
    .split(/\r?\n/);
  return lines.map((line) => ({ label: line.trim() }));
}

function fromJson(text: string, path: string): Label[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new Error(`labels: ${path} is not JSON: ${messageOf(cause)}`, { cause });
  }
  const parsed = documentSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  throw new Error(`labels: ${path} is neither a list of labels nor labels by index`);
}
