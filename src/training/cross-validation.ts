import type { TensorFlow } from '../runtime/tensorflow.ts';
import { argmaxRows, crossEntropy } from './cross-entropy.ts';
import { headLogits, type Samples, trainHead } from './head.ts';
import type { HeadSettings } from './head-settings.ts';

/** Cached features of the training images at one layer of the backbone. */
export interface FeatureSet {
  /** Of the layer, as the caller knows it. */
  readonly name: string;
  readonly dimension: number;
  /** `[images, dimension]` */
  readonly originals: Float32Array;
  /** Features of augmented copies, `[copies, dimension]`; `sources` has the image that each shows. */
  readonly copies?: { readonly features: Float32Array; readonly sources: Int32Array };
}

/** What training on each part of the images says about the rest. */
export interface CrossValidation {
  /** Whether each image was answered right by the head that had not seen it. */
  readonly right: readonly boolean[];
  /** Mean over the images, in nats. */
  readonly loss: number;
}

/** What to train, and on what. */
export interface CrossValidationInput {
  readonly set: FeatureSet;
  readonly augmented: boolean;
  readonly labels: Int32Array;
  readonly classes: number;
  /** Fold of each image. */
  readonly folds: Int32Array;
  readonly settingsFor: (samples: number, dimension: number) => HeadSettings;
  readonly signal?: AbortSignal;
}

/**
 * Trains one head a fold on the other folds' images, with their copies if `augmented`, and tests it on the fold's own
 * images, which are never copies. No image decides when a training ends: that would flatter the score.
 */
export async function crossValidate(tf: TensorFlow, input: CrossValidationInput): Promise<CrossValidation> {
  const { set, labels, classes, folds, settingsFor, signal } = input;
  const right = new Array<boolean>(labels.length).fill(false);
  const foldCount = 1 + folds.reduce((most, fold) => Math.max(most, fold), 0);
  let loss = 0;
  for (let fold = 0; fold < foldCount; fold++) {
    const train = trainingPart(input, fold);
    const settings = settingsFor(train.labels.length, set.dimension);
    const { layers } = await trainHead(tf, { classes, train, ...(signal && { signal }) }, settings);
    const images = indicesWhere(folds, (other) => other === fold);
    const held = takeSamples(set.originals, set.dimension, images, labels);
    const logits = headLogits(tf, layers, held.features);
    const weights = new Float32Array(images.length).fill(1);
    loss += (crossEntropy(logits, classes, held.labels, weights).loss * images.length) / labels.length;
    argmaxRows(logits, classes).forEach((answer, row) => {
      right[images[row] ?? 0] = answer === held.labels[row];
    });
  }
  return { right, loss };
}

function trainingPart({ set, augmented, labels, folds }: CrossValidationInput, fold: number): Samples {
  const { dimension, originals, copies } = set;
  const images = takeSamples(
    originals,
    dimension,
    indicesWhere(folds, (other) => other !== fold),
    labels,
  );
  if (!augmented || copies === undefined) return images;
  const copyLabels = copies.sources.map((source) => labels[source] ?? 0);
  const chosen = indicesWhere(copies.sources, (source) => folds[source] !== fold);
  const more = takeSamples(copies.features, dimension, chosen, copyLabels);
  const features = new Float32Array(images.features.length + more.features.length);
  features.set(images.features);
  features.set(more.features, images.features.length);
  const joined = new Int32Array(images.labels.length + more.labels.length);
  joined.set(images.labels);
  joined.set(more.labels, images.labels.length);
  return { features, labels: joined };
}

function indicesWhere(values: Int32Array, accept: (value: number) => boolean): Int32Array {
  const indices: number[] = [];
  values.forEach((value, index) => {
    if (accept(value)) indices.push(index);
  });
  return Int32Array.from(indices);
}

function takeSamples(features: Float32Array, dimension: number, rows: Int32Array, labels: Int32Array): Samples {
  const taken = new Float32Array(rows.length * dimension);
  rows.forEach((row, i) => {
    taken.set(features.subarray(row * dimension, (row + 1) * dimension), i * dimension);
  });
  return { features: taken, labels: rows.map((row) => labels[row] ?? 0) };
}
