import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { errnoOf } from '../../common/durable-files.ts';
import { messageOf } from '../../common/errors.ts';
import type { Label } from '../../registry/manifest.ts';
import type { NamedLabels } from '../../registry/zoo.ts';
import type { EmbeddedLabels } from './embedded-facts.ts';
import { labelsFromDocument } from './label-documents.ts';
import { decodeText, labelsFromLines, labelsFromTable } from './label-texts.ts';

/** Labels as a manifest holds them: the name of a list of the zoo, or the classes themselves. */
type ManifestLabels = string | Label[];

/** Labels of a model, and how they were found. */
interface FoundLabels {
  readonly labels: ManifestLabels;
  readonly guessed: boolean;
  /** What the user should know, as sentences. */
  readonly notes: readonly string[];
}

/** Readers of files of labels, by the ending of their name. */
const READERS: Readonly<Record<string, (text: string) => Label[]>> = {
  '.txt': labelsFromLines,
  '.csv': labelsFromTable,
  '.tsv': labelsFromTable,
  '.json': labelsFromDocument,
};

/** What can be given as labels, for errors. */
const TAKEN =
  'a list of the zoo by name, a .txt file with a label per line, a .csv table with a row per class, or a .json file: ' +
  'a list, labels by index, indices by label, or an object with such a value as ' +
  'labels, classes, class_names, names, id2label, class_to_idx or label_names';

/** Names of files with labels beside a model, as this project and others write them. */
const LABEL_FILES = [
  'labels.json',
  'labels.txt',
  'labels.csv',
  'classes.txt',
  'classes.json',
  'class_names.txt',
  'class_names.json',
  'class_indices.json',
  'class_to_idx.json',
  'imagenet_class_index.json',
  'metadata.json',
  'config.json',
];

/**
 * The labels of a model with so many classes: those given; else those in the model; else those in a file beside the
 * model; else those of ImageNet for a thousand classes; else "class 0", "class 1" and so on.
 *
 * @param given the name of a list of the zoo, or a file
 * @param embedded the labels that the model contains
 * @param folder the folder of the model
 * @throws Error when the given labels cannot be read or have another number
 */
export async function labelsFor(
  classes: number,
  given: string | undefined,
  embedded: EmbeddedLabels | undefined,
  folder: string,
  named: NamedLabels,
): Promise<FoundLabels> {
  if (given !== undefined) {
    const { labels, count } = await readLabels(given, named);
    if (count === classes) return { labels, guessed: false, notes: [] };
    throw new Error(`labels: ${given} has ${count} labels, but the model has ${classes} classes`);
  }
  if (embedded?.labels.length === classes) {
    return { labels: [...embedded.labels], guessed: false, notes: [`The labels are those of ${embedded.source}.`] };
  }
  const notes =
    embedded === undefined
      ? []
      : [`${embedded.source} has ${embedded.labels.length} labels and was not used: the model has ${classes} classes.`];
  for (const file of LABEL_FILES) {
    const labels = await labelsBeside(join(folder, file));
    if (labels === undefined) continue;
    if (labels.length === classes) return { labels, guessed: false, notes: [`The labels are those of ${file}.`] };
    notes.push(`${file} has ${labels.length} labels and was not used: the model has ${classes} classes.`);
  }
  if (classes === 1000) return { labels: 'imagenet-1k', guessed: true, notes };
  const labels = Array.from({ length: classes }, (_, index) => ({ label: `class ${index}` }));
  return { labels, guessed: true, notes };
}

/** Undefined when there is no such file, or when it is another file of the same name. */
async function labelsBeside(path: string): Promise<Label[] | undefined> {
  const bytes = await readFile(path).catch((thrown: unknown) => {
    if (errnoOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  });
  if (bytes === undefined) return undefined;
  try {
    return READERS[extname(path).toLowerCase()]?.(decodeText(bytes));
  } catch {
    return undefined;
  }
}

/**
 * Reads labels from a list of the zoo or from a file.
 *
 * @param wanted the name of a list of the zoo, or a path that ends as one of `READERS`
 * @throws Error that says what is wrong, and what can be given
 */
export async function readLabels(
  wanted: string,
  named: NamedLabels,
): Promise<{ labels: ManifestLabels; count: number }> {
  const read = READERS[extname(wanted).toLowerCase()];
  try {
    if (read === undefined) return { labels: wanted, count: named(wanted).length };
    const bytes = await readFile(wanted).catch((cause: unknown) => {
      throw new Error(`${wanted} cannot be read: ${messageOf(cause)}`, { cause });
    });
    const labels = read(decodeText(bytes));
    return { labels, count: labels.length };
  } catch (cause) {
    throw new Error(`labels: ${messageOf(cause).replace(/^labels: /, '')}; ${wanted} must be ${TAKEN}`, { cause });
  }
}
