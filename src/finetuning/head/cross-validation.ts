import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { samplesOf, type TrainingImages } from '../features/feature-set.ts';
import { argmaxRows, crossEntropy } from './cross-entropy.ts';
import { headLogits, trainHead } from './head.ts';
import type { HeadSettings } from './head-settings.ts';

/** What training on each part of the images says about the rest. */
export interface CrossValidation {
  /** Whether each image was answered right by the head that had not seen it. */
  readonly right: readonly boolean[];
  /** Of those heads, `[images, classes]`. */
  readonly logits: Float32Array;
  /** Mean over the images, in nats. */
  readonly loss: number;
}

/** What to train, and on what. */
export interface CrossValidationInput extends TrainingImages {
  readonly classes: number;
  /** Fold of each image. */
  readonly folds: Int32Array;
  readonly settingsFor: (samples: number, dimension: number) => HeadSettings;
  /** Ends the schedule of each training early, after this epoch. */
  readonly lastEpoch?: number;
  readonly signal?: AbortSignal;
}

/**
 * Trains one head a fold on the other folds' images, with their copies if `augmented`, and tests it on the fold's own
 * images, which are never copies. No image decides when a training ends: that would flatter the score.
 */
export async function crossValidate(tf: TensorFlow, input: CrossValidationInput): Promise<CrossValidation> {
  const { set, labels, classes, folds, settingsFor, lastEpoch, signal } = input;
  const right = new Array<boolean>(labels.length).fill(false);
  const foldCount = 1 + folds.reduce((most, fold) => Math.max(most, fold), 0);
  const logits = new Float32Array(labels.length * classes);
  let loss = 0;
  for (let fold = 0; fold < foldCount; fold++) {
    const train = samplesOf(input, (image) => folds[image] !== fold);
    const settings = settingsFor(train.labels.length, set.dimension);
    const limits = { ...(lastEpoch !== undefined && { lastEpoch }), ...(signal && { signal }) };
    const { layers } = await trainHead(tf, { classes, train, ...limits }, settings);
    const held = samplesOf({ set, labels, augmented: false }, (image) => folds[image] === fold);
    const answers = headLogits(tf, layers, held.features);
    const weights = new Float32Array(held.labels.length).fill(1);
    loss += (crossEntropy(answers, classes, held.labels, weights).loss * held.labels.length) / labels.length;
    const predicted = argmaxRows(answers, classes);
    let row = 0;
    for (const [image, own] of folds.entries()) {
      if (own !== fold) continue;
      right[image] = predicted[row] === labels[image];
      logits.set(answers.subarray(row * classes, (row + 1) * classes), image * classes);
      row += 1;
    }
  }
  return { right, logits, loss };
}
