import type { Samples } from '../features/feature-set.ts';
import type { DenseLayer } from './dense-layers.ts';

/** Class prototypes: the nearest mean by the cosine, as a linear head. */
export interface Prototypes {
  /**
   * Gives the cosine of each class mean times the length of the features over that of the training samples: the class
   * with the largest one is the class with the largest cosine.
   */
  readonly layer: DenseLayer;
  /** `[n, classes]`: the same for each training sample, with means that leave it out. */
  readonly heldOut: Float32Array;
}

/**
 * Computes the mean of each class, over samples scaled to length 1 (Snell et al. 2017 have the idea, with Euclidean
 * distances). A class of one sample has no mean without it: its own held-out answer is 0.
 */
export function fitPrototypes({ features, labels }: Samples, classes: number): Prototypes {
  const count = labels.length;
  const dimension = features.length / count;
  const lengths = Float64Array.from(labels, (_, row) => lengthOf(rowOf(features, row, dimension)));
  const typical = lengths.reduce((sum, length) => sum + length, 0) / count || 1;
  const sums = new Float64Array(classes * dimension);
  for (const [row, label] of labels.entries()) {
    addTo(sums, label * dimension, rowOf(features, row, dimension), 1 / (lengths[row] || 1));
  }
  const norms = Float64Array.from({ length: classes }, (_, k) => lengthOf(rowOf(sums, k, dimension)));
  const weight = Float32Array.from(sums, (value, i) => value / (norms[Math.floor(i / dimension)] || 1) / typical);
  const heldOut = new Float32Array(count * classes);
  for (const [row, label] of labels.entries()) {
    const sample = rowOf(features, row, dimension);
    const own = lengths[row] || 1;
    for (let k = 0; k < classes; k++) {
      // Without the sample, the sum of its class is shorter by its unit vector.
      const along = dot(rowOf(sums, k, dimension), sample) / own;
      const norm = norms[k] ?? 0;
      const left = k === label ? Math.sqrt(Math.max(0, norm * norm - 2 * along + 1)) : norm;
      const cosine = left > 1e-6 ? (k === label ? along - 1 : along) / left : 0;
      heldOut[row * classes + k] = (cosine * own) / typical;
    }
  }
  return { layer: { inputs: dimension, outputs: classes, weight, bias: new Float32Array(classes) }, heldOut };
}

function rowOf<T extends Float32Array | Float64Array>(matrix: T, row: number, dimension: number): T {
  return matrix.subarray(row * dimension, (row + 1) * dimension) as T;
}

function addTo(sums: Float64Array, offset: number, row: Float32Array, factor: number): void {
  for (let j = 0; j < row.length; j++) sums[offset + j] = (sums[offset + j] ?? 0) + factor * (row[j] ?? 0);
}

function lengthOf(vector: Float32Array | Float64Array): number {
  return Math.sqrt(dot(vector, vector));
}

function dot(left: Float32Array | Float64Array, right: Float32Array | Float64Array): number {
  let sum = 0;
  for (let j = 0; j < left.length; j++) sum += (left[j] ?? 0) * (right[j] ?? 0);
  return sum;
}
