/** What shapes and trains a head. `defaultHeadSettings` gives values that need no tuning. */
export interface HeadSettings {
  /** Width of each hidden layer; empty for a linear head. */
  readonly hiddenUnits: readonly number[];
  /** Share of hidden units switched off while training, 0 to below 1. */
  readonly dropout: number;
  /** Peak of the cosine schedule. */
  readonly learningRate: number;
  /** Decoupled decay of the weights (not the biases), in units of the learning rate. */
  readonly weightDecay: number;
  readonly batchSize: number;
  readonly epochs: number;
  /** Epochs without a lower validation loss after which training stops. */
  readonly patience: number;
  /** Share of the target probability spread over all classes, 0 to below 1. */
  readonly labelSmoothing: number;
  /** `balanced` weights each class by the inverse of its count. */
  readonly classWeights: 'none' | 'balanced';
  readonly seed: number;
}

/** The batch size that the learning rate below was chosen at. */
const TUNED_BATCH = 64;
/** Fewer updates than these leave a head of a handful of images short of its goal. */
const MIN_STEPS = 200;
const MIN_EPOCHS = 50;

/**
 * Settings for `samples` training samples (copies by augmentation included) of `dimension` features. Measured on the
 * embedded backbones with 5 to 400 images a class against logistic regression solved to convergence: a linear head; less
 * decay the more there is to learn from; smaller steps the more features add up in a logit, and larger ones with the square
 * root of larger batches (Malladi et al. 2022, for Adam).
 */
export function defaultHeadSettings(samples: number, dimension: number, seed: number): HeadSettings {
  const batchSize = defaultBatchSize(samples);
  return {
    hiddenUnits: [],
    dropout: 0,
    learningRate: (0.048 / Math.sqrt(dimension)) * Math.sqrt(Math.max(1, batchSize / TUNED_BATCH)),
    weightDecay: Math.min(12, 600 / samples),
    batchSize,
    epochs: Math.max(MIN_EPOCHS, Math.ceil(MIN_STEPS / Math.ceil(samples / batchSize))),
    patience: 10,
    labelSmoothing: 0,
    classWeights: 'none',
    seed,
  };
}

/** A power of two: 8 for a handful of samples, 64 from 512 on, 128 from 1,536 and 256 from 3,072. */
function defaultBatchSize(samples: number): number {
  const most = Math.min(256, Math.max(64, samples / 12));
  return 2 ** Math.floor(Math.log2(Math.min(most, Math.max(8, samples / 8))));
}
