import { setImmediate } from 'node:timers/promises';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { cosineRate } from './adamw.ts';
import { argmaxRows, crossEntropy } from './cross-entropy.ts';
import { type DenseLayer, forward } from './head-network.ts';
import type { HeadSettings } from './head-settings.ts';
import { type Batch, countEqual, createHeadTrainer } from './head-trainer.ts';
import { seededRandom } from './random.ts';
import { fitStandardization } from './standardize.ts';

/** Labelled feature vectors. */
export interface Samples {
  /** `[n, dimension]`, row-major. */
  readonly features: Float32Array;
  /** `[n]`, each in 0..classes-1. */
  readonly labels: Int32Array;
  /** `[n]`, how much each sample counts beside the others; 1 where absent. */
  readonly weights?: Float32Array;
}

/** One epoch, as it is reported and kept. Loss and accuracy are the running ones of the epoch's own batches. */
export interface Epoch {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly valLoss?: number;
  readonly valAccuracy?: number;
  /** At the epoch's first step. */
  readonly learningRate: number;
}

/** A trained head: takes raw features, gives logits. Relu between the layers. */
export interface Head {
  readonly layers: readonly DenseLayer[];
  readonly history: readonly Epoch[];
  /** The epoch, from 1, whose weights these are. */
  readonly bestEpoch: number;
}

/** What `trainHead` needs beside the settings. */
export interface TrainHeadInput {
  readonly classes: number;
  readonly train: Samples;
  /** Held-out samples for early stopping; without any the last epoch is kept. */
  readonly validation?: Samples;
  /** Layers for raw features to go on from, of the shape that the settings ask for; new ones when absent. */
  readonly start?: readonly DenseLayer[];
  /** Ends the schedule early, after this epoch; it runs to its end when absent. */
  readonly lastEpoch?: number;
  readonly onEpoch?: (epoch: Epoch) => void;
  readonly signal?: AbortSignal;
}

/** Longest time, in milliseconds, for which training keeps the event loop from other work. */
const YIELD_AFTER_MS = 20;
/** Rows in one forward pass outside training: bounds the memory, whatever the number of images. */
const CHUNK_ROWS = 1024;
/** Stream of the seed that orders the samples. */
const SHUFFLING = 1;

/**
 * Trains a dense softmax head by mini-batch AdamW on features that are standardised on the way in; the standardisation is
 * folded into the first layer of the result. The same input, settings and backend give the same weights, bit for bit.
 * @throws the signal's reason when it is aborted, at most one batch later.
 */
export async function trainHead(tf: TensorFlow, input: TrainHeadInput, settings: HeadSettings): Promise<Head> {
  const { classes, train, validation, start, lastEpoch = settings.epochs, onEpoch, signal } = input;
  checkSamples(train, classes);
  const count = train.labels.length;
  const standardization = fitStandardization(train.features, train.features.length / count);
  const trainer = createHeadTrainer(tf, classes, standardization, settings, start);
  const weights = sampleWeights(train, classes, settings.classWeights);
  const shuffling = seededRandom(settings.seed, SHUFFLING);
  const order = Int32Array.from({ length: count }, (_, index) => index);
  const steps = Math.ceil(count / settings.batchSize);
  const rateAt = (epoch: number, step: number): number =>
    cosineRate(settings.learningRate, (epoch - 1) * steps + step, settings.epochs * steps);
  const pause = createPause(signal);

  const history: Epoch[] = [];
  let best = { epoch: 0, loss: Number.POSITIVE_INFINITY, layers: trainer.layers() };
  for (let epoch = 1; epoch <= lastEpoch && epoch - best.epoch <= settings.patience; epoch++) {
    shuffling.shuffle(order);
    let loss = 0;
    let correct = 0;
    for (let step = 0; step < steps; step++) {
      await pause();
      // Batches of nearly the same size: a last batch of a few images would count as much as a whole one.
      const rows = order.subarray(Math.floor((step * count) / steps), Math.floor(((step + 1) * count) / steps));
      const result = trainer.step(takeRows(train, weights, rows), rateAt(epoch, step));
      loss += (result.loss * rows.length) / count;
      correct += result.correct;
    }
    await pause();
    const layers = trainer.layers();
    const held = validation && validation.labels.length > 0 ? evaluateHead(tf, layers, validation) : undefined;
    const report: Epoch = {
      epoch,
      epochs: settings.epochs,
      loss,
      accuracy: correct / count,
      ...(held && { valLoss: held.loss, valAccuracy: held.accuracy }),
      learningRate: rateAt(epoch, 0),
    };
    history.push(report);
    onEpoch?.(report);
    if (!held || held.loss < best.loss) best = { epoch, loss: held ? held.loss : best.loss, layers };
  }
  return { layers: best.layers, history, bestEpoch: best.epoch };
}

/** Logits `[n, classes]` of raw features `[n, dimension]`. */
export function headLogits(tf: TensorFlow, layers: readonly DenseLayer[], features: Float32Array): Float32Array {
  const dimension = layers[0]?.inputs ?? 0;
  const classes = layers.at(-1)?.outputs ?? 0;
  const count = features.length / dimension;
  const logits = new Float32Array(count * classes);
  for (let row = 0; row < count; row += CHUNK_ROWS) {
    const rows = Math.min(CHUNK_ROWS, count - row);
    const chunk = features.subarray(row * dimension, (row + rows) * dimension);
    tf.tidy(() => {
      logits.set(forward(tf, layers, chunk, rows).logits, row * classes);
    });
  }
  return logits;
}

function evaluateHead(
  tf: TensorFlow,
  layers: readonly DenseLayer[],
  { features, labels }: Samples,
): { loss: number; accuracy: number } {
  const classes = layers.at(-1)?.outputs ?? 0;
  const logits = headLogits(tf, layers, features);
  const { loss } = crossEntropy(logits, classes, labels, new Float32Array(labels.length).fill(1));
  return { loss, accuracy: countEqual(argmaxRows(logits, classes), labels) / labels.length };
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

/** Weight of each sample, its own times its class's, scaled to mean 1 so that the learning rate keeps its meaning. */
function sampleWeights(
  { labels, weights }: Samples,
  classes: number,
  scheme: HeadSettings['classWeights'],
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
    throw new Error(`${features.length} features do not fit ${labels.length} labels`);
  }
  if (weights && weights.length !== labels.length)
    throw new Error(`${weights.length} weights for ${labels.length} labels`);
  if (labels.some((label) => label < 0 || label >= classes)) throw new Error(`a label is not in 0..${classes - 1}`);
  if (!features.every(Number.isFinite)) throw new Error('a feature is not a finite number');
}

/** Lets other work have the event loop now and then, and stops when the signal says so. */
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
