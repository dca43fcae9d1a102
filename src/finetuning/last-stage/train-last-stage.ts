import { setImmediate } from 'node:timers/promises';
import { seededRandom } from '../../common/random.ts';
import type { LastStage } from '../../convert/transfer/last-stage.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { SampleSource } from '../features/dataset-features.ts';
import type { StageMaps } from '../features/stage-maps.ts';
import { cosineRate } from '../head/adamw.ts';
import type { DenseLayer } from '../head/dense-layers.ts';
import type { Standardization } from '../head/standardization.ts';
import type { Epoch } from '../head/training-loop.ts';
import { JointDescent, type Judged, type StageBatch, type TrainedStage } from './joint-descent.ts';

/** Samples with the maps that enter the stage. */
export interface StageSamples {
  readonly count: number;
  /** Features as they are before training, `[count, dimension]`. */
  readonly features: Float32Array;
  /** Reads the maps of some samples, `[rows, height, width, channels]`. */
  readonly readMaps: (rows: Int32Array) => Float32Array;
  /** Judges the logits of some samples. */
  readonly judge: (logits: Float32Array, rows: Int32Array) => Judged;
}

/** How a stage is trained. */
export interface StageHyperparameters {
  readonly batchSize: number;
  readonly epochs: number;
  readonly patience: number;
  /** Of the head at its highest; that of the stage is `STAGE_RATE` times as high. */
  readonly headRate: number;
  /** Of the head's weights. */
  readonly weightDecay: number;
  readonly seed: number;
}

/** Input of `trainLastStage`. */
export interface TrainLastStageInput {
  readonly stage: LastStage;
  /** The head to begin with, for features that are not standardised. */
  readonly head: readonly DenseLayer[];
  readonly standardization: Standardization;
  readonly train: StageSamples;
  /** At least one sample. */
  readonly validation: StageSamples;
  /** Loss and accuracy of the head alone on the training samples, for epoch 0. */
  readonly alone: { readonly loss: number; readonly accuracy: number };
  /** Called after each epoch; the first is epoch 0, before any training. */
  readonly onEpoch?: (epoch: Epoch) => void;
  /** Called after some steps, with the share of all epochs that is done. */
  readonly onStep?: (done: number) => void;
}

/** A trained stage and head, and how the training went. */
export interface StageTraining extends TrainedStage {
  /** Begins with epoch 0: the head alone. */
  readonly history: readonly Epoch[];
  /** The epoch whose weights were kept; 0 when no epoch was better than the head alone. */
  readonly bestEpoch: number;
}

/** The stage learns more slowly than the head, which is new. */
const STAGE_RATE = 0.1;
/** Share of the steps in which the learning rates rise to their highest, so that the first steps do not harm. */
const WARM_UP = 0.05;
/** Samples that are computed at once where nothing is learnt. */
const CHUNK = 64;
/** Stream of the seed that shuffles the samples. */
const SHUFFLING = 7;

/**
 * Trains the last stage of a network together with its head by mini-batch AdamW, from the weights that it has and a
 * head that was trained alone, with early stopping on the validation samples. An epoch counts as better than the head
 * alone only if its validation loss is lower and its validation accuracy no lower.
 */
export async function trainLastStage(
  tf: TensorFlow,
  { stage, head, standardization, train, validation, alone, onEpoch, onStep }: TrainLastStageInput,
  { batchSize, epochs, patience, headRate, weightDecay, seed }: StageHyperparameters,
): Promise<StageTraining> {
  const descent = new JointDescent(tf, stage, head, standardization, weightDecay);
  const shuffling = seededRandom(seed, SHUFFLING);
  const order = Int32Array.from({ length: train.count }, (_, index) => index);
  const steps = Math.ceil(train.count / batchSize);
  const rateAt = (step: number): number =>
    cosineRate(headRate, step, epochs * steps) * Math.min(1, (step + 1) / (WARM_UP * epochs * steps));

  const before = await score(descent, validation);
  const history: Epoch[] = [];
  const note = (figures: Epoch): void => {
    history.push(figures);
    onEpoch?.(figures);
  };
  note({ epoch: 0, epochs, ...alone, valLoss: before.loss, valAccuracy: before.accuracy, learningRate: 0 });
  let best = { epoch: 0, loss: before.loss, trained: descent.trained() };
  for (let epoch = 1; epoch <= epochs && epoch - best.epoch <= patience; epoch++) {
    shuffling.shuffle(order);
    let loss = 0;
    let correct = 0;
    for (let step = 0; step < steps; step++) {
      // Lets messages out, such as the heartbeat of the process.
      await setImmediate();
      const [from, to] = [step, step + 1].map((at) => Math.floor((at * train.count) / steps));
      const rows = order.subarray(from, to);
      const rate = rateAt((epoch - 1) * steps + step);
      const judged = descent.step(batchOf(train, rows), (logits) => train.judge(logits, rows), {
        head: rate,
        stage: rate * STAGE_RATE,
      });
      loss += (judged.loss * rows.length) / train.count;
      correct += judged.correct;
      onStep?.((epoch - 1 + (step + 1) / steps) / epochs);
    }
    const held = await score(descent, validation);
    const learningRate = STAGE_RATE * rateAt((epoch - 1) * steps);
    note({
      epoch,
      epochs,
      loss,
      accuracy: correct / train.count,
      valLoss: held.loss,
      valAccuracy: held.accuracy,
      learningRate,
    });
    if (held.loss < best.loss && held.accuracy >= before.accuracy) {
      best = { epoch, loss: held.loss, trained: descent.trained() };
    }
  }
  return { ...best.trained, history, bestEpoch: best.epoch };
}

/** Features of samples with the columns that a stage computes. */
export async function stageFeatures(
  tf: TensorFlow,
  stage: LastStage,
  samples: Omit<StageSamples, 'judge'>,
): Promise<Float32Array> {
  const descent = new JointDescent(tf, stage, [], { mean: new Float32Array(), scale: new Float32Array() }, 0);
  return await chunked(samples, (batch) => descent.features(batch));
}

async function score(descent: JointDescent, samples: StageSamples): Promise<{ loss: number; accuracy: number }> {
  const logits = await chunked(samples, (batch) => descent.logits(batch));
  const all = Int32Array.from({ length: samples.count }, (_, index) => index);
  const { loss, correct } = samples.judge(logits, all);
  return { loss, accuracy: correct / samples.count };
}

/** Computes something for all samples, some at a time. */
async function chunked(
  samples: Omit<StageSamples, 'judge'>,
  compute: (batch: StageBatch) => Float32Array,
): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for (let start = 0; start < samples.count; start += CHUNK) {
    await setImmediate();
    const rows = Int32Array.from({ length: Math.min(CHUNK, samples.count - start) }, (_, index) => start + index);
    parts.push(compute(batchOf(samples, rows)));
  }
  const values = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    values.set(part, offset);
    offset += part.length;
  }
  return values;
}

function batchOf({ count, features, readMaps }: Omit<StageSamples, 'judge'>, rows: Int32Array): StageBatch {
  const dimension = features.length / count;
  const taken = new Float32Array(rows.length * dimension);
  rows.forEach((row, i) => {
    taken.set(features.subarray(row * dimension, (row + 1) * dimension), i * dimension);
  });
  return { features: taken, maps: readMaps(rows), rows: rows.length };
}

/** Reads the maps of samples from disk. */
export function mapReader(sources: readonly SampleSource[], maps: StageMaps): StageSamples['readMaps'] {
  return (rows) => {
    const values = new Float32Array(rows.length * maps.mapSize);
    rows.forEach((row, index) => {
      const source = sources[row];
      if (source === undefined) throw new Error(`there is no sample ${row}`);
      values.set(maps.read(source.digest, source.copy), index * maps.mapSize);
    });
    return values;
  };
}
