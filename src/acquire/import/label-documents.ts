import { z } from 'zod';
import { messageOf } from '../../common/errors.ts';
import { type Label, synsetSchema } from '../../registry/manifest.ts';

const labelSchema = z.union([
  z.string().transform((label): Label => ({ label })),
  z
    .object({ label: z.string(), synset: z.string().optional() })
    .transform(({ label, synset }): Label => (synset === undefined ? { label } : { label, synset })),
  // `imagenet_class_index.json` of Keras: ["n01440764", "tench"]
  z.tuple([synsetSchema, z.string()]).transform(([synset, name]): Label => {
    return { label: name.replaceAll('_', ' '), synset };
  }),
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

/** `{"cat": 0, "dog": 1}`, in any order: the `class_to_idx` of torchvision, the `class_indices` of Keras. */
const indicesSchema = z.record(z.string(), z.int().nonnegative()).transform((record, context) => {
  const names = Object.keys(record).sort((a, b) => (record[a] ?? 0) - (record[b] ?? 0));
  if (names.some((name, index) => record[name] !== index)) context.addIssue('the indices are not 0, 1, 2 and so on');
  return names.map((label): Label => ({ label }));
});

const labelsSchema = z.union([listSchema, byIndexSchema, indicesSchema]);

/** Keys with labels in files that say other things too. */
const KEYS = [
  'labels',
  'classes',
  'class_names',
  'names',
  'id2label',
  'class_to_idx',
  'class_indices',
  'label_names',
  'classnames',
  'idx_to_class',
  'idx2label',
  'label2id',
  'CLASSES',
  'categories',
  'vocab',
] as const;
const objectSchema = z.record(z.string(), z.unknown());

/**
 * Reads labels from JSON: a list of labels or of `{label, synset}`, labels by index, indices by label, or an object
 * with one of these under a key of `KEYS`.
 *
 * @throws Error that says what is wrong
 */
export function labelsFromDocument(text: string): Label[] {
  let document: unknown;
  try {
    document = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (cause) {
    throw new Error(`the file is not JSON: ${messageOf(cause)}`, { cause });
  }
  const labels = labelsIn(document);
  if (labels !== undefined) return labels;
  throw new Error('the file holds neither a list of labels nor labels by index');
}

/** The labels in a JSON value; undefined when it has none. */
function labelsIn(document: unknown): Label[] | undefined {
  const direct = labelsSchema.safeParse(document);
  if (direct.success && direct.data.length > 1) return direct.data;
  const object = objectSchema.safeParse(document);
  if (!object.success) return undefined;
  const { pretrained_cfg: timm, label_names: names, label_descriptions: descriptions } = object.data;
  const described = z.object({ names: z.array(z.string()).min(2), descriptions: z.record(z.string(), z.string()) });
  const both = described.safeParse({ names, descriptions });
  if (both.success) return both.data.names.map((name) => ({ label: both.data.descriptions[name] ?? name }));
  const [found] = labelsUnderKeys(object.data);
  if (found !== undefined) return found.labels;
  // timm's configuration on the hub of Hugging Face.
  return timm === undefined ? undefined : labelsIn(timm);
}

/** The labels in an object that says other things too, with their keys. */
function labelsUnderKeys(object: Readonly<Record<string, unknown>>): { key: string; labels: Label[] }[] {
  return KEYS.flatMap((key) => {
    const labels = labelsSchema.safeParse(object[key]);
    return labels.success && labels.data.length > 1 ? [{ key, labels: labels.data }] : [];
  });
}

/** Nesting of the settings in a checkpoint, as in `hyper_parameters.data.class_to_idx`. */
const MAX_NESTING = 3;

/** All labels in a document of settings, with the keys that lead to them. */
export function labelsWithin(document: unknown, nesting = 0): { key: string; labels: Label[] }[] {
  const object = objectSchema.safeParse(document);
  if (!object.success || nesting > MAX_NESTING) return [];
  const inner = Object.entries(object.data).flatMap(([key, value]) =>
    labelsWithin(value, nesting + 1).map((found) => ({ ...found, key: `${key}.${found.key}` })),
  );
  return [...labelsUnderKeys(object.data), ...inner];
}
