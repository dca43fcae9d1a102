import { z } from 'zod';
import { describeIssues, type Label, labelSchema, synsetSchema } from './manifest.ts';

/**
 * `zoo/labels/<name>.json` on disk: the classes and, where they are synsets of WordNet, all their hypernyms up to
 * `entity`.
 */
const labelsFileSchema = z.strictObject({
  source: z.string(),
  /** The notice that each copy must carry. */
  license: z.string(),
  classes: z
    .array(
      labelSchema
        .extend({
          index: z.number().int().nonnegative(),
          /** Synonyms. */
          words: z.array(z.string()).optional(),
          gloss: z.string().optional(),
        })
        .strict(),
    )
    .min(2),
  hypernyms: z
    .record(synsetSchema, z.strictObject({ label: z.string().min(1), parents: z.array(synsetSchema) }))
    .optional(),
});

/**
 * Parses a labels file. Classes must be in the order of their indices, and every parent must be among the hypernyms.
 * @throws Error that names each field that is wrong
 */
export function parseLabels(text: string): readonly Label[] {
  const parsed = labelsFileSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(describeIssues(parsed.error));
  const { classes, hypernyms = {} } = parsed.data;
  for (const [synset, { parents }] of Object.entries(hypernyms)) {
    const unknown = parents.find((parent) => !Object.hasOwn(hypernyms, parent));
    if (unknown !== undefined) throw new Error(`hypernyms.${synset}.parents: ${unknown} is not among the hypernyms`);
  }
  return classes.map(({ index, label, synset }, position) => {
    if (index !== position) throw new Error(`classes.${position}.index: ${index}, but it must be ${position}`);
    return synset === undefined ? { label } : { label, synset };
  });
}
