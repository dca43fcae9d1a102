import { z } from 'zod';
import { count, score, share } from './figures-schema.ts';

const judgedImageSchema = z.object({ image: z.string(), label: z.string(), predicted: z.string(), confidence: share });

const calibrationSchema = z.object({
  /** Expected calibration error. */
  error: share,
  bins: z.array(z.object({ low: share, high: share, count, confidence: share, accuracy: share })),
});

const coveragePointSchema = z.object({ threshold: share, coverage: share, accuracy: share });

const conceptAccuracySchema = z.object({ images: count, right: share, depth: z.number().nonnegative().optional() });

/** The results on the test images. */
export const testSchema = score.extend({
  images: count.min(1),
  macro_f1: share,
  /** `confusion[label][predicted]`: number of images; in the order of `classes`. */
  confusion: z.array(z.array(count)),
  /** Examples for the cells of `confusion`. Absent in reports of earlier versions of the server. */
  cells: z
    .array(
      z.object({
        label: z.string(),
        predicted: z.string(),
        examples: z.array(z.object({ image: z.string(), confidence: share })),
      }),
    )
    .optional(),
  per_class: z.array(z.object({ class: z.string(), precision: share, recall: share, f1: share, support: count })),
  confused_pairs: z.array(
    z.object({ label: z.string(), predicted: z.string(), count, share, examples: z.array(z.string()) }),
  ),
  least_certain: z.array(judgedImageSchema),
  worst_mistakes: z.array(judgedImageSchema),
  /** Before and after the logits are divided by the temperature. */
  calibration: z.object({
    temperature: z.number().positive(),
    /** What the temperature and the threshold were chosen on; the validation images when absent. */
    tuned_on: z.enum(['cross_validation', 'validation_images']).optional(),
    before: calibrationSchema,
    after: calibrationSchema,
  }),
  /**
   * A confidence for callers to whom a wrong answer costs more than none, and its effect on the test images. The answer
   * `unknown` comes from the detector (`novelty`).
   */
  unknown: z.object({
    threshold: share,
    target: share,
    reached: z.boolean(),
    coverage: share,
    accuracy: share,
    curve: z.array(coveragePointSchema),
  }),
  /** How near the answers are in the hypernym graph of WordNet. Absent when no class has a synset that the zoo knows. */
  hierarchy: z
    .object({
      precision: share,
      recall: share,
      f1: share,
      /** Mean number of links between a wrong class and the true one. Absent without mistakes. */
      mistake_distance: z.number().positive().optional(),
      class_depth: z.number().nonnegative(),
      /** The deepest concept that is at least as likely as not: of all images, and of those whose first class is wrong. */
      concepts: conceptAccuracySchema,
      concepts_of_mistakes: conceptAccuracySchema,
    })
    .optional(),
  baselines: z.object({
    majority_class: score.extend({ class: z.string() }),
    nearest_neighbours: score,
    /** The class with the nearest mean. Absent in reports of earlier versions of the server. */
    prototypes: score.optional(),
  }),
  /** Answers to corrupted images. Absent when they were not tested, and in reports of earlier versions. */
  robustness: z
    .object({
      /** Images of each corruption and severity. */
      images: count.min(1),
      corrupted_accuracy: share,
      mean_corruption_error: share,
      /** Null when no answer to an image as it is is right. */
      relative_robustness: z.number().nonnegative().nullable(),
      /** The corruption with the lowest accuracy first. */
      corruptions: z.array(z.object({ corruption: z.string(), accuracy: share, by_severity: z.array(share) })),
      /** Wrong answers to images that are answered right as they are; `picture` names the corrupted picture. */
      worst: z.array(
        judgedImageSchema.extend({ corruption: z.string(), severity: count.min(1).max(5), picture: z.string() }),
      ),
    })
    .optional(),
  /** The version that was in service, tested on the same images. */
  current: score.extend({ model: z.string(), version: count }).optional(),
});
