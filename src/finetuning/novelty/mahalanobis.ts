import { seededRandom } from '../../common/random.ts';
import { type TensorFlow, valuesOf } from '../../runtime/tensorflow.ts';
import type { Samples } from '../features/feature-set.ts';
import { layerNormalized } from './layer-normalization.ts';
import { type Directions, principalDirections } from './principal-directions.ts';

/**
 * The squared Mahalanobis distance of features to the nearest class (Lee et al. 2018, https://arxiv.org/abs/1807.03888),
 * as sums that a network can compute: of layer-normalised features `u` it is `-max(classes u + bias) - |projection u|^2`.
 */
export interface MahalanobisDetector {
  readonly dimension: number;
  /** `[rows, dimension]`, a row for each class that has samples. */
  readonly classes: Float32Array;
  /** `[rows]` */
  readonly bias: Float32Array;
  /** `[rank, dimension]` */
  readonly projection: Float32Array;
}

/** A detector that was fitted to images. */
export interface FittedMahalanobis extends MahalanobisDetector {
  /** The distance of features that differ from the mean of a class by the least variance: as good as none. */
  readonly least: number;
}

/**
 * Directions in which the covariance differs from a multiple of the identity: it is that of probabilistic principal
 * components (Tipping & Bishop 1999). On seven sets of classes and two backbones, 8 to 128 directions and all of them
 * (Ledoit & Wolf's shrinkage) were equal within the noise.
 */
export const RANK = 32;
/**
 * The variance in each direction is shrunk by this share to the mean of all. The shares of Ledoit & Wolf (2004) and of
 * Chen et al. (2010, OAS), on 3 to 50 images a class of three data sets, separated unknown images equally well.
 */
const SHRINKAGE = 0.3;
/**
 * Least variance of a layer-normalised feature, whose variance over the features is 1. Photos of a class have at least
 * 0.04 in every direction. Equal pictures have none, and differ by rounding alone.
 */
const LEAST_VARIANCE = 0.01;
/** Samples from which the covariance is estimated: more do not change it, but take time. */
const MAX_SAMPLES = 2000;
/** Stream of the seed that draws them. */
const DRAWING = 11;

/** Fits the means of the classes, and one covariance for all of them. `features` are as the backbone gives them. */
export function fitMahalanobis(tf: TensorFlow, { features, labels }: Samples, seed: number): FittedMahalanobis {
  const dimension = features.length / labels.length;
  const normalized = layerNormalized(features, dimension);
  const means = classMeans(normalized, labels, dimension);
  const rows = [...means.keys()];
  const residuals = residualsOf(normalized, labels, means, dimension, seed);
  const directions = principalDirections(tf, residuals, dimension, Math.min(RANK, Math.floor(labels.length / 2)), seed);
  return {
    dimension,
    ...distanceForm(
      rows.map((label) => means.get(label) ?? new Float64Array()),
      directions,
      dimension,
    ),
  };
}

/** The squared distances of features `[n, dimension]`, as the network computes them. */
export function mahalanobisDistances(
  tf: TensorFlow,
  detector: MahalanobisDetector,
  features: Float32Array,
): Float32Array {
  const { dimension, classes, bias, projection } = detector;
  const count = features.length / dimension;
  if (count === 0) return new Float32Array();
  const rank = projection.length / dimension;
  return valuesOf(tf, () => {
    const u = tf.tensor2d(layerNormalized(features, dimension), [count, dimension]);
    const nearest = tf.max(tf.add(tf.matMul(u, tf.transpose(tf.tensor2d(classes, [bias.length, dimension]))), bias), 1);
    const squares = tf.sum(tf.square(tf.matMul(u, tf.transpose(tf.tensor2d(projection, [rank, dimension])))), 1);
    return tf.neg(tf.add(nearest, squares));
  });
}

function classMeans(rows: Float32Array, labels: Int32Array, dimension: number): Map<number, Float64Array> {
  const sums = new Map<number, Float64Array>();
  const counts = new Map<number, number>();
  labels.forEach((label, row) => {
    const sum = sums.get(label) ?? new Float64Array(dimension);
    for (let j = 0; j < dimension; j++) sum[j] = (sum[j] ?? 0) + (rows[row * dimension + j] ?? 0);
    sums.set(label, sum);
    counts.set(label, (counts.get(label) ?? 0) + 1);
  });
  return new Map([...sums].map(([label, sum]) => [label, sum.map((value) => value / (counts.get(label) ?? 1))]));
}

/** Differences from the means of their classes, of at most `MAX_SAMPLES` rows. */
function residualsOf(
  rows: Float32Array,
  labels: Int32Array,
  means: ReadonlyMap<number, Float64Array>,
  dimension: number,
  seed: number,
): Float32Array {
  const all = Int32Array.from(labels, (_, index) => index);
  const chosen = all.length <= MAX_SAMPLES ? all : seededRandom(seed, DRAWING).shuffle(all).subarray(0, MAX_SAMPLES);
  const residuals = new Float32Array(chosen.length * dimension);
  chosen.forEach((row, index) => {
    const mean = means.get(labels[row] ?? -1);
    for (let j = 0; j < dimension; j++) {
      residuals[index * dimension + j] = (rows[row * dimension + j] ?? 0) - (mean?.[j] ?? 0);
    }
  });
  return residuals;
}

/** The covariance of a detector: its variances in some directions and in all others. */
export interface ShrunkSpectrum {
  /** As given, before they are shrunk. */
  readonly variances: Float64Array;
  /** For each direction of variance `l`, `1 / rest - 1 / l`. */
  readonly weights: Float64Array;
  readonly rest: number;
}

/** Shrinks the variances. @param total mean squared length of the residuals */
export function shrunkSpectrum(
  { variances, total }: Pick<Directions, 'variances' | 'total'>,
  dimension: number,
): ShrunkSpectrum {
  const mean = total / dimension;
  const found = variances.reduce((sum, value) => sum + value, 0);
  const shrunk = (value: number): number => (1 - SHRINKAGE) * value + SHRINKAGE * mean;
  const rest = Math.max(shrunk((total - found) / Math.max(1, dimension - variances.length)), LEAST_VARIANCE);
  return { variances, rest, weights: variances.map((variance) => 1 / rest - 1 / Math.max(shrunk(variance), rest)) };
}

/**
 * Multiplies the distance out. With variance `rest` in all but some directions `v` of variance `l`, and
 * `A = sqrt(1 / rest - 1 / l) v`, it is `|u - m|^2 / rest - |A (u - m)|^2`, and the length of `u` is known.
 */
function distanceForm(means: readonly Float64Array[], directions: Directions, dimension: number) {
  const { vectors } = directions;
  const { rest, weights } = shrunkSpectrum(directions, dimension);
  // At least one row, of zeros, since networks have no empty layers.
  const projection = new Float32Array(Math.max(dimension, vectors.length));
  for (const [k, weight] of weights.entries()) {
    const factor = Math.sqrt(weight);
    for (let j = 0; j < dimension; j++) projection[k * dimension + j] = factor * (vectors[k * dimension + j] ?? 0);
  }
  const classes = new Float32Array(means.length * dimension);
  const bias = new Float32Array(means.length);
  for (const [row, center] of means.entries()) {
    const inside = Array.from(weights, (_, k) => {
      let sum = 0;
      for (let j = 0; j < dimension; j++) sum += (projection[k * dimension + j] ?? 0) * (center[j] ?? 0);
      return sum;
    });
    let length = 0;
    for (let j = 0; j < dimension; j++) {
      const value = center[j] ?? 0;
      length += value * value;
      let slope = (2 * value) / rest;
      for (const [k, along] of inside.entries()) slope -= 2 * along * (projection[k * dimension + j] ?? 0);
      classes[row * dimension + j] = slope;
    }
    bias[row] = inside.reduce((sum, along) => sum + along * along, 0) - (dimension + length) / rest;
  }
  return { classes, bias, projection, least: (LEAST_VARIANCE * dimension) / rest };
}
