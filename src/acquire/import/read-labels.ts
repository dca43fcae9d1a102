import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../common/errors.ts';
import type { Label } from '../../registry/manifest.ts';
import type { NamedLabels } from '../../registry/zoo.ts';

/** Labels as a manifest holds them: the name of a list of the zoo, or the classes themselves. */
type ManifestLabels = string | Label[];

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
    if (label === undefined) context.addIssue(`there are ${count} labels, but none with index ${index}`);
    return label ?? { label: '' };
  });
});
const documentSchema = z.union([
  listSchema,
  byIndexSchema,
  z.object({ classes: listSchema }).transform(({ classes }) => classes),
  z.object({ id2label: byIndexSchema }).transform(({ id2label }) => id2label),
]);

/** Names of label files beside a model, as this project and others write them. */
const LABEL_FILES = ['labels.json', 'labels.txt', 'classes.txt', 'class_names.txt'];

/**
 * The labels of a model with so many classes: those given; else those in a file beside the model; else those of
 * ImageNet for a thousand classes; else "class 0", "class 1" and so on.
 *
 * @param given the name of a list of the zoo, or a file
 * @param folder the folder of the model
 * @throws Error when the given labels cannot be read or have another number
 */
export async function labelsFor(
  classes: number,
  given: string | undefined,
  folder: string,
  named: NamedLabels,
): Promise<{ labels: ManifestLabels; guessed: boolean }> {
  if (given !== undefined) {
    const { labels, count } = await readLabels(given, named);
    if (count === classes) return { labels, guessed: false };
    throw new Error(`labels: ${given} has ${count} labels, but the model has ${classes} classes`);
  }
  for (const file of LABEL_FILES) {
    const path = join(folder, file);
    if (!existsSync(path)) continue;
    const { labels, count } = await readLabels(path, named);
    if (count === classes) return { labels, guessed: true };
  }
  if (classes === 1000) return { labels: 'imagenet-1k', guessed: true };
  return { labels: Array.from({ length: classes }, (_, index) => ({ label: `class ${index}` })), guessed: true };
}

/**
 * Reads labels from a list of the zoo or from a file. A text file has one label a line. A JSON file holds a list of
 * labels or of `{label, synset}`, or labels by index; or an object with either as `classes` or `id2label`.
 *
 * @param wanted the name of a list of the zoo, or a path that ends in .txt or .json
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
  throw new Error(`labels: ${path} holds neither a list of labels nor labels by index`);
}
