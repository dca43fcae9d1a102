import { z } from 'zod';
import type { PreflightReport } from '../dataset/preflight-report.ts';

const share = z.number().min(0).max(1);
const count = z.number().int().nonnegative();
/** Bounds between which a share lies with 95 % confidence. */
const interval = z.tuple([share, share]);
const score = z.object({ accuracy: share, interval });
const plainObject = z.record(z.string(), z.json());

const epochSchema = z.object({
  epoch: count,
  loss: z.number(),
  accuracy: share,
  val_loss: z.number().optional(),
  val_accuracy: share.optional(),
  learning_rate: z.number(),
});

const judgedImageSchema = z.object({ image: z.string(), label: z.string(), predicted: z.string(), confidence: share });

const calibrationSchema = z.object({
  /** Expected calibration error over the bins. */
  error: share,
  bins: z.array(z.object({ low: share, high: share, count, confidence: share, accuracy: share })),
});

const coveragePointSchema = z.object({ threshold: share, coverage: share, accuracy: share });

const testSchema = score.extend({
  images: count.min(1),
  macro_f1: share,
  /** `confusion[label][predicted]`, in images; in the order of the classes. */
  confusion: z.array(z.array(count)),
  /** Some of the images behind each number of `confusion`. Reports of earlier servers have none. */
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
  /** Without and with the temperature that is folded into the model. */
  calibration: z.object({
    temperature: z.number().positive(),
    /** Which images the temperature and the threshold were chosen on; the validation images when absent. */
    tuned_on: z.enum(['cross_validation', 'validation_images']).optional(),
    before: calibrationSchema,
    after: calibrationSchema,
  }),
  /** The confidence below which the answer is `unknown`, and what it does on the test images. */
  unknown: z.object({
    threshold: share,
    target: share,
    reached: z.boolean(),
    coverage: share,
    accuracy: share,
    curve: z.array(coveragePointSchema),
  }),
  baselines: z.object({
    majority_class: score.extend({ class: z.string() }),
    nearest_neighbours: score,
  }),
  /** The version that served before, on the same images. */
  current: score.extend({ model: z.string(), version: count }).optional(),
});

const trialSchema = z.object({
  features: z.string(),
  augmented: z.boolean(),
  hidden_units: z.array(count),
  learning_rate_factor: z.number(),
  weight_decay_factor: z.number(),
  accuracy: share,
  loss: z.number(),
  chosen: z.boolean(),
});

/** What the page of a report reads of a preflight report; the rest travels along. */
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
  message: 'a preflight report',
});

/** `report.json`: how a model was trained and what it is worth. Shares are 0..1, losses in nats. */
export const trainingReportSchema = z.object({
  schema: z.literal(1),
  created_at: z.iso.datetime(),
  model: z.object({ name: z.string(), version: count }),
  backbone: z.object({ name: z.string(), version: count, sha256: z.string() }),
  classes: z.array(z.string()).min(2),
  dataset: z.object({ sha256: z.string(), preflight: preflightSchema }),
  training: z.object({
    /** Of the head that was kept. */
    settings: plainObject,
    /** Of the backbone, which the head reads. */
    layers: z.array(z.object({ name: z.string(), size: count })).optional(),
    best_epoch: count,
    /** Whether the validation images were trained on too, for that many epochs. */
    retrained: z.boolean().optional(),
    history: z.array(epochSchema),
    search: z.object({ folds: count, trials: z.array(trialSchema) }).optional(),
  }),
  /** For whoever decides whether to ship the model, most important first. */
  verdict: z.array(z.object({ level: z.enum(['good', 'caution', 'bad']), text: z.string() })),
  /** What to do about it, one sentence a step. */
  next_steps: z.array(z.string()),
  /** Null when no image was kept for testing. */
  test: testSchema.nullable(),
  provenance: z.object({
    seed: z.number().int(),
    /** As the client gave them, defaults filled in. */
    options: plainObject,
    libraries: z.record(z.string(), z.string()),
    tensorflow_backend: z.string(),
    durations_seconds: z.record(z.string(), z.number()),
  }),
});

/** A parsed `report.json`, in its on-disk words. */
export type TrainingReport = z.output<typeof trainingReportSchema>;
/** What the test images say. */
export type TestReport = NonNullable<TrainingReport['test']>;

/** Parses the text of a `report.json`. @throws ZodError or SyntaxError that says what is wrong with it */
export function parseTrainingReport(text: string): TrainingReport {
  return trainingReportSchema.parse(JSON.parse(text));
}
