import { z } from 'zod';
import type { PreflightReport } from '../dataset/preflight-report.ts';
import { NOVELTY_METHODS } from '../novelty/scores.ts';
import { distillationSchema } from './distillation-schema.ts';
import { count, interval, share } from './figures-schema.ts';
import { automaticSearchSchema, trialSchema } from './search-schema.ts';
import { testSchema } from './test-schema.ts';

const plainObject = z.record(z.string(), z.json());

const epochSchema = z.object({
  epoch: count,
  loss: z.number(),
  accuracy: share,
  val_loss: z.number().optional(),
  val_accuracy: share.optional(),
  learning_rate: z.number(),
});

const methodsSchema = z.array(
  z.object({
    method: z.enum(NOVELTY_METHODS),
    /** Area under the ROC curve. */
    auroc: share,
    /** Share of the images of other things that are accepted where 95 % of the images of the classes are. */
    false_positives: share,
  }),
);

/** The detector of unknown images, and how it does beside other methods on the same images. */
const noveltySchema = z.object({
  /** The method of the detector. */
  method: z.literal('mahalanobis'),
  /** Share of the images of the classes that the threshold should accept. */
  target: share,
  /** Images labelled `_unknown` that the threshold was chosen with; 0 when it was chosen by `target` alone. */
  tuned_on: count,
  /** Images of the classes that the threshold was chosen on. Absent in reports from before it was counted. */
  judged: count.optional(),
  /** Share of the test images that it accepts. Absent without test images. */
  accepted: share.optional(),
  /** Means over classes that were left out of the training, one at a time. */
  left_out_classes: z.object({ classes: count, methods: methodsSchema }).optional(),
  /** On the test images and images labelled `_unknown`, which had no part in choosing the threshold. */
  unknown_images: z.object({ images: count, refused: share, methods: methodsSchema }).optional(),
});

/** The fields of a preflight report that the report page needs. Other fields are kept. */
const preflightShape = z.object({
  will_train: z.string(),
  classes: z.array(z.object({ name: z.string(), images: count, train: count, validation: count, test: count })),
  images: z.object({
    labelled: count,
    unreadable: count,
    left_out: count,
    used: count,
    train: count,
    validation: count,
    test: count,
  }),
  imbalance: z.number().nullable(),
  ignored: z.object({ count }),
  warnings: z.array(z.object({ code: z.string(), message: z.string() })),
});
const preflightSchema = z.custom<PreflightReport>((value) => preflightShape.safeParse(value).success, {
  message: 'expected a preflight report',
});

/** `report.json`: how a model was trained, and its test results. Shares are in 0..1, losses in nats. */
export const trainingReportSchema = z.object({
  schema: z.literal(1),
  created_at: z.iso.datetime(),
  model: z.object({ name: z.string(), version: count }),
  backbone: z.object({ name: z.string(), version: count, sha256: z.string() }),
  classes: z.array(z.string()).min(2),
  dataset: z.object({ sha256: z.string(), preflight: preflightSchema }),
  training: z.object({
    /** Hyperparameters of the head. */
    settings: plainObject,
    /** Layers of the backbone that the head reads, and their numbers of values. */
    layers: z.array(z.object({ name: z.string(), size: count })).optional(),
    best_epoch: count,
    /** Whether training went on with the validation images after early stopping. */
    retrained: z.boolean().optional(),
    history: z.array(epochSchema),
    /** Cross-validated accuracy by number of training images, where these are few; what more would bring. */
    learning_curve: z
      .object({
        points: z.array(
          z.object({ images: count, images_per_class: z.number(), accuracy: share, standard_error: z.number() }),
        ),
        forecasts: z.array(z.object({ images: count, images_per_class: z.number(), accuracy: share, interval })),
      })
      .optional(),
    /** How the last stage of the backbone was trained; absent when the head alone was. */
    last_stage: z
      .object({
        /** Whether the trained stage is published; if not, it was no better on the validation images than the head. */
        published: z.boolean(),
        /** 0 when no epoch was better. */
        best_epoch: count,
        parameters: count,
        validation_images: count,
        seconds_per_epoch: z.number().nonnegative(),
        /** Begins with epoch 0, the head alone. */
        history: z.array(epochSchema),
      })
      .optional(),
    search: z.object({ folds: count, trials: z.array(trialSchema) }).optional(),
    automatic_search: automaticSearchSchema.optional(),
  }),
  /** Distilled models only. */
  distillation: distillationSchema.optional(),
  /** What the results mean, the most important finding first. */
  verdict: z.array(z.object({ level: z.enum(['good', 'caution', 'bad']), text: z.string() })),
  /** What to do to improve the model. */
  next_steps: z.array(z.string()),
  /** Null when there are no test images. */
  test: testSchema.nullable(),
  /** Absent in reports of earlier versions of the server. */
  novelty: noveltySchema.optional(),
  provenance: z.object({
    seed: z.number().int(),
    /** Options of the request, with defaults filled in. */
    options: plainObject,
    libraries: z.record(z.string(), z.string()),
    tensorflow_backend: z.string(),
    durations_seconds: z.record(z.string(), z.number()),
  }),
});

/** A parsed `report.json`. */
export type TrainingReport = z.output<typeof trainingReportSchema>;
/** The detector in a report. */
export type NoveltyReport = NonNullable<TrainingReport['novelty']>;
/** The test results in a report. */
export type TestReport = NonNullable<TrainingReport['test']>;

/** Parses the text of a `report.json`. @throws ZodError or SyntaxError when it is not valid */
export function parseTrainingReport(text: string): TrainingReport {
  return trainingReportSchema.parse(JSON.parse(text));
}
