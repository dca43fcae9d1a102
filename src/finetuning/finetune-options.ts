import { z } from 'zod';
import { AppError } from '../common/errors.ts';
import { augmentationOption } from '../image/augmentation.ts';
import { describeIssues, MODEL_NAME, synsetSchema } from '../registry/manifest.ts';
import { SPLIT_DEFAULTS } from './dataset/dataset-split.ts';
import { ENCODINGS, encodingCalled } from './dataset/text-encoding.ts';
import type { Hyperparameters } from './head/hyperparameters.ts';
import { PREFERENCES } from './search/pareto-front.ts';

/** What is searched: nothing, the hyperparameters of the head, or also the backbone. */
const SEARCHES = ['none', 'quick', 'thorough'] as const;
/** What the head reads: only the backbone's own features, or also the means of its earlier maps. */
const LAYERS = ['last', 'all'] as const;
/** What is trained: the head alone, or also the last stage of the backbone. */
const DEPTHS = ['head', 'last_stage'] as const;
/** When the model's bare name means the new version. */
const PROMOTIONS = ['always', 'if_better', 'never'] as const;

const share = z.number().min(0).max(0.5);

/**
 * Options of a fine-tune, as in `openapi.yaml`. Only the name is required.
 */
export const finetuneOptionsSchema = z.strictObject({
  name: z
    .string()
    .regex(MODEL_NAME, 'lower-case letters, digits, _ and -, beginning with a letter or digit')
    .refine((name) => !name.includes('.'), 'no dot: names with a dot belong to the zoo'),
  backbone: z.string().optional(),
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  augmentation: augmentationOption.prefault({}),
  validation_share: share.default(SPLIT_DEFAULTS.validationShare),
  /** Of names in the zip that are not marked as UTF-8, and of tables that are not Unicode; detected when absent. */
  encoding: z
    .string()
    .refine((name) => encodingCalled(name) !== undefined, `must be ${ENCODINGS.join(', ')}, or absent to detect it`)
    .optional(),
  test_share: share.default(SPLIT_DEFAULTS.testShare),
  hidden_units: z.array(z.number().int().min(1).max(4096)).max(3).optional(),
  dropout: z.number().min(0).max(0.9).optional(),
  learning_rate: z.number().positive().max(1).optional(),
  weight_decay: z.number().min(0).max(1000).optional(),
  batch_size: z.number().int().min(1).max(4096).optional(),
  epochs: z.number().int().min(1).max(1000).optional(),
  patience: z.number().int().min(1).max(1000).optional(),
  label_smoothing: z.number().min(0).max(0.9).optional(),
  class_weights: z.enum(['none', 'balanced']).optional(),
  /** When absent, a search compares them; without a search it is `all`. */
  layers: z.enum(LAYERS).optional(),
  depth: z.enum(DEPTHS).default('head'),
  search: z.enum(SEARCHES).default('none'),
  /** Time for a thorough search and the training after it. */
  budget_minutes: z.number().min(0.1).max(1440).default(10),
  /** Which trial of a thorough search is taken. */
  prefer: z.enum(PREFERENCES).default('accuracy'),
  promote: z.enum(PROMOTIONS).default('always'),
  /** Whether the report tests corrupted images too. */
  corruptions: z.boolean().default(true),
  /** WordNet synsets of classes by their names; the others get none. */
  synsets: z.record(z.string(), synsetSchema).optional(),
});

/** Options in a request: plain JSON, which is the payload of a job. */
export type FinetuneRequest = z.input<typeof finetuneOptionsSchema>;
/** Parsed options, with defaults. */
export type FinetuneOptions = z.output<typeof finetuneOptionsSchema>;

/** @throws AppError `invalid_request`, which names every wrong field and what it must be */
export function parseFinetuneOptions(given: unknown): FinetuneOptions {
  const parsed = finetuneOptionsSchema.safeParse(given);
  if (parsed.success && parsed.data.depth === 'last_stage' && parsed.data.search === 'thorough') {
    throw new AppError(
      'invalid_request',
      'search: thorough chooses between backbones and heads and does not train a last stage; use search=none or quick ' +
        'with depth=last_stage',
      { context: { fields: ['search', 'depth'] } },
    );
  }
  if (parsed.success) return parsed.data;
  throw new AppError('invalid_request', describeIssues(parsed.error), {
    context: { fields: parsed.error.issues.map(({ path }) => path.join('.')) },
  });
}

/** Hyperparameters that the client has set. */
export function givenHyperparameters(options: FinetuneOptions): Partial<Hyperparameters> {
  const given = {
    hiddenUnits: options.hidden_units,
    dropout: options.dropout,
    learningRate: options.learning_rate,
    weightDecay: options.weight_decay,
    batchSize: options.batch_size,
    epochs: options.epochs,
    patience: options.patience,
    labelSmoothing: options.label_smoothing,
    classWeights: options.class_weights,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
