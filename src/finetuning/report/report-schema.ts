import { z } from 'zod';
import type { PreflightReport } from '../dataset/preflight-report.ts';
import { NOVELTY_METHODS } from '../novelty/scores.ts';
import { PREFERENCES } from '../search/pareto-front.ts';
import { COPY_CHOICES, LAYER_CHOICES } from '../search/space.ts';

const share = z.number().min(0).max(1);
const count = z.number().int().nonnegative();
/** Bounds of a 95 % confidence interval. */
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
  /** Expected calibration error. */
  error: share,
  bins: z.array(z.object({ low: share, high: share, count, confidence: share, accuracy: share })),
});

const coveragePointSchema = z.object({ threshold: share, coverage: share, accuracy: share });

const conceptAccuracySchema = z.object({ images: count, right: share, depth: z.number().nonnegative().optional() });

const testSchema = score.extend({
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
  /** Share of the test images that it accepts. Absent without test images. */
  accepted: share.optional(),
  /** Means over classes that were left out of the training, one at a time. */
  left_out_classes: z.object({ classes: count, methods: methodsSchema }).optional(),
  /** On the test images and images labelled `_unknown`, which had no part in choosing the threshold. */
  unknown_images: z.object({ images: count, refused: share, methods: methodsSchema }).optional(),
});

/** A thorough search. The accuracies are cross-validated; that of the test has no part in it. */
const automaticSearchSchema = z.object({
  prefer: z.enum(PREFERENCES),
  budget_minutes: z.number(),
  /** Whether candidates were left out for lack of time. */
  out_of_time: z.boolean(),
  rungs: z.array(z.object({ images: count, folds: count })),
  trials: z.array(
    z.object({
      /** From 1. */
      rung: count,
      images: count,
      backbone: z.string(),
      layers: z.enum(LAYER_CHOICES),
      copies: z.enum(COPY_CHOICES),
      /** Whether the head is solved for; then the fields below it do not count. */
      solved: z.boolean(),
      hidden_units: z.array(count),
      dropout: share,
      learning_rate_factor: z.number(),
      weight_decay_factor: z.number(),
      accuracy: share,
      /** Standard deviation over the folds. */
      spread: z.number(),
      /** Of the backbone for one image on one thread. */
      latency_ms: z.number(),
      /** Whether no trial of the last rung is more accurate without being slower. */
      front: z.boolean(),
      chosen: z.boolean(),
    }),
  ),
  left_out: z.array(z.object({ backbone: z.string(), reason: z.string() })),
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
  /** Distilled models only: how well the student learnt its teacher's answers. */
  distillation: z
    .object({
      temperature: z.number().positive(),
      pictures: z.object({ train: count, validation: count, test: count, unreadable: count }),
      /** Pictures that could not be read, the first ones. */
      unreadable: z.array(z.object({ file: z.string(), reason: z.string() })),
      /** Share of the test pictures on which student and teacher name the same class. */
      agreement: share,
      agreement_interval: interval,
      /** Share on which the teacher's class is among the student's five most probable ones. */
      top5_agreement: share,
      /** Share on which the teacher names the class that it names most often: what a constant answer would reach. */
      most_common: share,
      /** Mean divergence of the probabilities on the test pictures, in nats, at temperature 1. */
      divergence: z.number(),
      models: z.array(
        z.object({
          role: z.enum(['teacher', 'student']),
          model: z.string(),
          parameters: count,
          weights_bytes: count,
          /** Of ONNX Runtime on one thread, in batches. */
          ms_per_image: z.number().positive(),
        }),
      ),
    })
    .optional(),
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
