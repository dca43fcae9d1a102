import { setImmediate } from 'node:timers/promises';
import { seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { Samples } from '../features/feature-set.ts';
import { cosineRate } from './adamw.ts';
import { crossEntropy } from './cross-entropy.ts';
import { computeLogits, type DenseLayer } from './dense-layers.ts';
import { type Batch, startGradientDescent } from './gradient-descent.ts';
import type { Hyperparameters } from './hyperparameters.ts';
import { argmaxRows, countCorrect } from './softmax.ts';
import { fitStandardization } from './standardization.ts';

/** Figures of one epoch. */
export interface Epoch {
  /** From 1. */
  readonly epoch: number;
  /** Epochs of the whole schedule. */
  readonly epochs: number;
  /** Training loss: the mean over the batches, each computed before its step. In nats. */
  readonly loss: number;
  /** Training accuracy, computed like the loss. */
  readonly accuracy: number;
  readonly valLoss?: number;
  readonly valAccuracy?: number;
  /** Of the epoch's first step. */
  readonly learningRate: number;
}

/** Layers after training, and how the training went. */
export interface TrainedLayers {
  /** For features that are not standardised; ReLU between the layers. The last layer gives logits. */
  readonly layers: readonly DenseLayer[];
  readonly history: readonly Epoch[];
  /** The epoch, from 1, whose weights were kept. */
  readonly bestEpoch: number;
}

/** Input of `trainLayers` beside the hyperparameters. */
export interface TrainLayersInput {
  readonly classes: number;
  readonly train: Samples;
  /** Samples for early stopping; without any, the last epoch is kept. */
  readonly validation?: Samples;
  /** Layers to continue from, of the shape that the hyperparameters give; new ones when absent. */
  readonly start?: readonly DenseLayer[];
  /** Stops after this epoch, without changing the schedule of the learning rate; `epochs` when absent. */
  readonly lastEpoch?: number;
  /** No epoch but the first begins after this time, in milliseconds since 1970. */
  readonly until?: number | undefined;
  /** Called after each epoch. */
  readonly onEpoch?: (epoch: Epoch) => void;
  readonly signal?: AbortSignal;
}

/** Longest time, in milliseconds, for which training blocks the event loop. */
const YIELD_AFTER_MS = 20;
/** Stream of the seed that shuffles the samples. */
const SHUFFLING = 1;

/**
 * Trains dense layers with a softmax on top by mini-batch AdamW, with early stopping on the validation samples.
 * Features are standardised with the mean and scale of the training samples, which are then folded into the first
 * layer. The same input, hyperparameters and backend give the same weights, bit for bit, unless `until` ends it.
 *
 * @throws the reason of `signal`, at most one batch after it was aborted
 */
export async function trainLayers(
  tf: TensorFlow,
  input: TrainLayersInput,
  hyperparameters: Hyperparameters,
): Promise<TrainedLayers> {
  const { batchSize, epochs, patience, seed, classWeights } = hyperparameters;
  const { classes, train, validation, start, lastEpoch = epochs, until, onEpoch, signal } = input;
  checkSamples(train, classes);
  const count = train.labels.length;
  const standardization = fitStandardization(train.features, train.features.length / count);
  const descent = startGradientDescent(tf, classes, standardization, hyperparameters, start);
  const weights = sampleWeights(train, classes, classWeights);
  const shuffling = seededRandom(seed, SHUFFLING);
  const order = Int32Array.from({ length: count }, (_, index) => index);
  const steps = Math.ceil(count / batchSize);
  const rateAt = (epoch: number, step: number): number =>
    cosineRate(hyperparameters.learningRate, (epoch - 1) * steps + step, epochs * steps);
  const pause = createPause(signal);

  const history: Epoch[] = [];
  let best = { epoch: 0, loss: Number.POSITIVE_INFINITY, layers: descent.layers() };
  for (let epoch = 1; epoch <= lastEpoch && epoch - best.epoch <= patience; epoch++) {
    if (epoch > 1 && until !== undefined && Date.now() >= until) break;
    shuffling.shuffle(order);
    let loss = 0;
    let correct = 0;
    for (let step = 0; step < steps; step++) {
      await pause();
      // Batches of nearly equal size: a small last batch would count as much as a full one.
      const rows = order.subarray(Math.floor((step * count) / steps), Math.floor(((step + 1) * count) / steps));
      const result = descent.step(takeRows(train, weights, rows), rateAt(epoch, step));
      loss += (result.loss * rows.length) / count;
      correct += result.correct;
    }
    await pause();
    const layers = descent.layers();
    const held = validation && validation.labels.length > 0 ? scoreLayers(tf, layers, validation) : undefined;
    const figures: Epoch = {
      epoch,
      epochs,
      loss,
      accuracy: correct / count,
      ...(held && { valLoss: held.loss, valAccuracy: held.accuracy }),
      learningRate: rateAt(epoch, 0),
    };
    history.push(figures);
    onEpoch?.(figures);
    if (!held || held.loss < best.loss) best = { epoch, loss: held ? held.loss : best.loss, layers };
  }
  return { layers: best.layers, history, bestEpoch: best.epoch };
}

function scoreLayers(
  tf: TensorFlow,
  layers: readonly DenseLayer[],
  { features, labels }: Samples,
): { loss: number; accuracy: number } {
  const classes = layers.at(-1)?.outputs ?? 0;
  const logits = computeLogits(tf, layers, features);
  const { loss } = crossEntropy(logits, classes, labels, new Float32Array(labels.length).fill(1));
  return { loss, accuracy: countCorrect(argmaxRows(logits, classes), labels) / labels.length };
}

function takeRows({ features, labels }: Samples, weights: Float32Array, rows: Int32Array): Batch {
  const dimension = features.length / labels.length;
  const taken = new Float32Array(rows.length * dimension);
  rows.forEach((row, i) => {
    taken.set(features.subarray(row * dimension, (row + 1) * dimension), i * dimension);
  });
  return {
    features: taken,
    labels: Int32Array.from(rows, (row) => labels[row] ?? 0),
    weights: Float32Array.from(rows, (row) => weights[row] ?? 0),
  };
}

/**
 * Weight of each sample times the weight of its class, scaled to mean 1 so that the learning rate keeps its meaning.
 */
function sampleWeights(
  { labels, weights }: Samples,
  classes: number,
  scheme: Hyperparameters['classWeights'],
): Float32Array {
  const counts = new Float64Array(classes);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  const result = Float32Array.from(
    labels,
    (label, i) => (weights?.[i] ?? 1) * (scheme === 'balanced' ? 1 / (counts[label] ?? 1) : 1),
  );
  const mean = result.reduce((sum, weight) => sum + weight, 0) / result.length;
  return result.map((weight) => weight / mean);
}

function checkSamples({ features, labels, weights }: Samples, classes: number): void {
  if (labels.length === 0 || features.length % labels.length !== 0) {
    throw new Error(`${features.length} feature values cannot be divided among ${labels.length} labels`);
  }
  if (weights && weights.length !== labels.length)
    throw new Error(`${weights.length} weights were given for ${labels.length} labels`);
  if (labels.some((label) => label < 0 || label >= classes)) throw new Error(`a label is not in 0..${classes - 1}`);
  if (!features.every(Number.isFinite)) throw new Error('a feature is not a finite number');
}

/** Returns a function that yields to the event loop from time to time and throws when the signal is aborted. */
function createPause(signal: AbortSignal | undefined): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since > YIELD_AFTER_MS) {
      await setImmediate();
      since = performance.now();
    }
    signal?.throwIfAborted();
  };
}
