import type { Random } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { samplesOf, type TrainingImages } from '../features/feature-set.ts';
import { crossEntropy } from './cross-entropy.ts';
import { computeLogits } from './dense-layers.ts';
import type { Hyperparameters } from './hyperparameters.ts';
import { argmaxRows } from './softmax.ts';
import { trainLayers } from './training-loop.ts';

/** Predictions for all images, each by layers that were trained without the image's fold. */
export interface CrossValidation {
  /** Whether the prediction for each image is right. */
  readonly right: readonly boolean[];
  /** `[images, classes]` */
  readonly logits: Float32Array;
  /** Mean over the images, in nats. */
  readonly loss: number;
}

/** Input of `crossValidate`. */
export interface CrossValidationInput extends TrainingImages {
  readonly classes: number;
  /** Fold of each image, from 0. */
  readonly folds: Int32Array;
  /** Hyperparameters for a number of training samples and features. */
  readonly hyperparametersFor: (samples: number, dimension: number) => Hyperparameters;
  /** Stops each training after this epoch, without changing the schedule of the learning rate. */
  readonly lastEpoch?: number;
  readonly signal?: AbortSignal;
}

/**
 * For each fold, trains layers on the images of the other folds (with their augmented copies if `augmented`) and tests
 * them on the images of the fold, without copies. There is no early stopping: to stop at the epoch that is best for
 * the tested images would make the result too good.
 */
export async function crossValidate(tf: TensorFlow, input: CrossValidationInput): Promise<CrossValidation> {
  const { set, labels, classes, folds, hyperparametersFor, lastEpoch, signal } = input;
  const right = new Array<boolean>(labels.length).fill(false);
  const foldCount = 1 + folds.reduce((most, fold) => Math.max(most, fold), 0);
  const logits = new Float32Array(labels.length * classes);
  let loss = 0;
  for (let fold = 0; fold < foldCount; fold++) {
    const train = samplesOf(input, (image) => folds[image] !== fold);
    const hyperparameters = hyperparametersFor(train.labels.length, set.dimension);
    const limits = { ...(lastEpoch !== undefined && { lastEpoch }), ...(signal && { signal }) };
    const { layers } = await trainLayers(tf, { classes, train, ...limits }, hyperparameters);
    const held = samplesOf({ set, labels, augmented: false }, (image) => folds[image] === fold);
    const heldLogits = computeLogits(tf, layers, held.features);
    const weights = new Float32Array(held.labels.length).fill(1);
    loss += (crossEntropy(heldLogits, classes, held.labels, weights).loss * held.labels.length) / labels.length;
    const predicted = argmaxRows(heldLogits, classes);
    let row = 0;
    for (const [image, own] of folds.entries()) {
      if (own !== fold) continue;
      right[image] = predicted[row] === labels[image];
      logits.set(heldLogits.subarray(row * classes, (row + 1) * classes), image * classes);
      row += 1;
    }
  }
  return { right, logits, loss };
}

/**
 * Assigns each sample to a fold in 0..folds-1, at random. Each class is spread evenly over the folds, and the folds
 * have equal sizes, up to one sample.
 */
export function stratifiedFolds(labels: Int32Array, folds: number, random: Random): Int32Array {
  const members = new Map<number, number[]>();
  labels.forEach((label, index) => {
    const indices = members.get(label);
    if (indices === undefined) members.set(label, [index]);
    else indices.push(index);
  });
  const result = new Int32Array(labels.length);
  // Counts on from class to class, so that the surplus of one class goes to the folds that the class before left
  // smaller.
  let next = 0;
  for (const [, indices] of [...members].sort(([a], [b]) => a - b)) {
    for (const index of random.shuffle(indices)) {
      result[index] = next;
      next = (next + 1) % folds;
    }
  }
  return result;
}
