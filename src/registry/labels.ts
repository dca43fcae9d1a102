import { z } from 'zod';
import type { Concept } from './concept-graph.ts';
import { describeIssues, type Label, labelSchema, synsetSchema } from './manifest.ts';

/** What WordNet says of a synset beside its label. */
const wordsShape = {
  /** Synonyms, the label among them. */
  words: z.array(z.string()).optional(),
  gloss: z.string().optional(),
};

/**
 * `zoo/labels/<name>.json` on disk: the classes and, where they are synsets of WordNet, all their hypernyms up to
 * `entity`.
 */
const labelsFileSchema = z.strictObject({
  source: z.string(),
  /** The notice that each copy must carry. */
  license: z.string(),
  classes: z.array(labelSchema.extend({ index: z.number().int().nonnegative(), ...wordsShape }).strict()).min(2),
  /** The classes, with their parents alone, and all that is above them. */
  hypernyms: z
    .record(synsetSchema, z.strictObject({ label: z.string().min(1), ...wordsShape, parents: z.array(synsetSchema) }))
    .optional(),
});

/** The contents of a labels file. */
export interface LabelsFile {
  /** The classes in their order. */
  readonly labels: readonly Label[];
  /** The synsets of the classes and all their hypernyms; those of classes have no parents in files without hypernyms. */
  readonly concepts: readonly Concept[];
}

/**
 * Parses a labels file. Classes must be in the order of their indices, and every parent must be among the hypernyms.
 * @throws Error that names each field that is wrong
 */
export function parseLabelsFile(text: string): LabelsFile {
  const parsed = labelsFileSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(describeIssues(parsed.error));
  const { classes, hypernyms = {} } = parsed.data;
  for (const [synset, { parents }] of Object.entries(hypernyms)) {
    const unknown = parents.find((parent) => !Object.hasOwn(hypernyms, parent));
    if (unknown !== undefined) throw new Error(`hypernyms.${synset}.parents: ${unknown} is not among the hypernyms`);
  }
  const labels = classes.map(({ index, label, synset }, position) => {
    if (index !== position) throw new Error(`classes.${position}.index: ${index}, but it must be ${position}`);
    return synset === undefined ? { label } : { label, synset };
  });
  const ofClasses = classes.flatMap(({ index: _, synset, ...words }) =>
    synset === undefined ? [] : [[synset, { ...words, parents: [] }] as const],
  );
  const concepts = new Map<string, Concept>();
  for (const [synset, { label, words, gloss, parents }] of [...ofClasses, ...Object.entries(hypernyms)]) {
    const known = concepts.get(synset);
    concepts.set(synset, {
      synset,
      label: known?.label ?? label,
      words: words ?? known?.words ?? [label],
      gloss: gloss ?? known?.gloss,
      parents,
    });
  }
  return { labels, concepts: [...concepts.values()] };
}

/** Parses the classes of a labels file. @throws Error as `parseLabelsFile` */
export function parseLabels(text: string): readonly Label[] {
  return parseLabelsFile(text).labels;
}
