/** Hyperparameters of a head: its shape and how it is trained. `defaultHyperparameters` gives defaults. */
export interface Hyperparameters {
  /** Width of each hidden layer; empty for a linear head. */
  readonly hiddenUnits: readonly number[];
  /** Share of the hidden units that are switched off during training, 0 to below 1. */
  readonly dropout: number;
  /** Learning rate of the first step; a cosine schedule lowers it to 0. */
  readonly learningRate: number;
  /** Decoupled decay of the weights (not of the biases). Each step shrinks them by learning rate times decay. */
  readonly weightDecay: number;
  readonly batchSize: number;
  /** Largest number of epochs. */
  readonly epochs: number;
  /** Training stops after this many epochs without a lower validation loss. */
  readonly patience: number;
  /** Share of the target probability that is spread evenly over all classes, 0 to below 1. */
  readonly labelSmoothing: number;
  /** `balanced` weights each class by the inverse of its number of samples. */
  readonly classWeights: 'none' | 'balanced';
  readonly seed: number;
}

/** The batch size for which the default learning rate was tuned. */
const TUNED_BATCH = 64;
/** Least number of gradient steps: with fewer, training on a handful of images ends too early. */
const MIN_STEPS = 200;
const MIN_EPOCHS = 50;

/**
 * Default hyperparameters for `samples` training samples (augmented copies included) of `dimension` features: a linear
 * head; weight decay inversely proportional to the number of samples; a learning rate inversely proportional to the
 * square root of the number of features, and for batches above 64 proportional to the square root of the batch size
 * (Malladi et al. 2022, for Adam). They were tuned on the embedded backbones with 5 to 400 images per class, against
 * logistic regression solved to convergence.
 */
export function defaultHyperparameters(samples: number, dimension: number, seed: number): Hyperparameters {
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

/** A power of two: 8 for a handful of samples, 64 from 512 samples on, 128 from 1,536 and 256 from 3,072. */
function defaultBatchSize(samples: number): number {
  const most = Math.min(256, Math.max(64, samples / 12));
  return 2 ** Math.floor(Math.log2(Math.min(most, Math.max(8, samples / 8))));
}
