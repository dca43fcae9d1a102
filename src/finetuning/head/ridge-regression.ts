import { type TensorFlow, valuesOf } from '../../runtime/tensorflow.ts';
import { samplesOf, type TrainingImages } from '../features/feature-set.ts';
import type { DenseLayer } from './dense-layers.ts';
import { factorize, invertLower, solveWith } from './positive-definite.ts';
import { fitStandardization, foldStandardization } from './standardization.ts';

/** A linear head that was solved for, and its answers for its own images as if it had not seen them. */
export interface RidgeHead {
  /** For features that are not standardised; it answers about 1 for the class and 0 for others. */
  readonly layer: DenseLayer;
  /** `[images, classes]`: the answers for each image by a head that was fitted without it and its copies. */
  readonly heldOut: Float32Array;
  /** The penalty as a multiple of the mean squared length of a standardised sample, for each copy of an image. */
  readonly penalty: number;
}

/** The penalties that are compared. On 5 to 40 images per class, the best one was always among them. */
export const PENALTIES: readonly number[] = [0.01, 0.03, 0.1, 0.3, 1, 3, 10];
/**
 * Squared length of a constant feature, as a multiple of that of a sample: so much that its weight, the bias, is hardly
 * penalised.
 */
const BIAS_LENGTH = 1000;
/**
 * Fits a linear head by ridge regression of one-hot targets (regularised least squares: Rifkin, Yeo and Poggio 2003) in
 * its dual form, whose size is the number of samples and not of features, once for each penalty. The answers for
 * left-out images are exact and need no further fit (Allen's PRESS, 1974, for all rows of an image at once).
 */
export function fitRidge(
  tf: TensorFlow,
  images: TrainingImages,
  classes: number,
  penalties: readonly number[] = PENALTIES,
): RidgeHead[] {
  const { features, labels, weights } = samplesOf(images);
  const count = labels.length;
  const { dimension, copies } = images.set;
  const sources = images.augmented && copies ? copies.sources : new Int32Array();
  const standardization = fitStandardization(features, dimension);
  const { mean, scale } = standardization;
  const rows = features.map((value, i) => (value - (mean[i % dimension] ?? 0)) * (scale[i % dimension] ?? 0));
  const products = gramMatrix(tf, rows, count, dimension);
  const length = meanDiagonal(products, count) || 1;
  const perImage = count / images.labels.length;
  const problem: Problem = {
    products,
    targets: oneHot(labels, classes),
    classes,
    bias: BIAS_LENGTH * length,
    weights: weights ?? new Float32Array(count).fill(1),
    rowsOf: rowsOfImages(images.labels.length, sources),
  };
  return penalties.map((penalty) => {
    const { dual, heldOut } = solve(problem, penalty * length * perImage);
    const layer = primal(tf, dual, rows, { count, classes, dimension, bias: problem.bias });
    return { layer: foldStandardization(layer, standardization), heldOut, penalty };
  });
}

interface Problem {
  /** `[rows, rows]` */
  readonly products: Float32Array;
  /** `[rows, classes]` */
  readonly targets: Float64Array;
  readonly classes: number;
  readonly bias: number;
  /** `[rows]`: a row of weight 3 counts as three. */
  readonly weights: Float32Array;
  /** The rows of each image, itself first and then its copies. */
  readonly rowsOf: readonly (readonly number[])[];
}

interface Solution {
  /** `[rows, classes]`: the weights are the sum of the samples, each times its row. */
  readonly dual: Float64Array;
  /** `[images, classes]` */
  readonly heldOut: Float32Array;
}

/** Solves (products + bias + penalty / weights) dual = targets, and for each image without its rows. */
function solve({ products, targets, classes, bias, weights, rowsOf }: Problem, penalty: number): Solution {
  const count = weights.length;
  const matrix = Float64Array.from(products, (value) => value + bias);
  for (let i = 0; i < count; i++)
    matrix[i * (count + 1)] = (matrix[i * (count + 1)] ?? 0) + penalty / (weights[i] ?? 1);
  factorize(matrix, count);
  const inverse = invertLower(matrix, count);
  const dual = solveWith(inverse, count, targets, classes);
  const heldOut = new Float32Array(rowsOf.length * classes);
  for (const [image, rows] of rowsOf.entries()) {
    const residual = residualWithout(inverse, count, rows, dual, classes);
    const [original = 0] = rows;
    for (let k = 0; k < classes; k++) {
      heldOut[image * classes + k] = (targets[original * classes + k] ?? 0) - (residual[k] ?? 0);
    }
  }
  return { dual, heldOut };
}

/**
 * Target minus answer for the first of `rows` by the solution without them: the block of the inverse matrix at these
 * rows, solved for their part of the dual.
 */
function residualWithout(
  inverse: Float64Array,
  count: number,
  rows: readonly number[],
  dual: Float64Array,
  classes: number,
): Float64Array {
  const size = rows.length;
  const block = new Float64Array(size * size);
  const right = new Float64Array(size * classes);
  for (const [p, row] of rows.entries()) {
    right.set(dual.subarray(row * classes, (row + 1) * classes), p * classes);
    for (let q = 0; q <= p; q++) {
      const other = rows[q] ?? 0;
      let sum = 0;
      for (let i = Math.max(row, other); i < count; i++) {
        sum += (inverse[i * count + row] ?? 0) * (inverse[i * count + other] ?? 0);
      }
      block[p * size + q] = sum;
    }
  }
  factorize(block, size);
  return solveWith(invertLower(block, size), size, right, classes);
}

/** The weights of a solution, for standardised features. */
function primal(
  tf: TensorFlow,
  dual: Float64Array,
  rows: Float32Array,
  { count, classes, dimension, bias }: { count: number; classes: number; dimension: number; bias: number },
): DenseLayer {
  const transposed = new Float32Array(count * classes);
  const sums = new Float64Array(classes);
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < classes; k++) {
      const value = dual[i * classes + k] ?? 0;
      transposed[k * count + i] = value;
      sums[k] = (sums[k] ?? 0) + bias * value;
    }
  }
  const weight = valuesOf(tf, () =>
    tf.matMul(tf.tensor2d(transposed, [classes, count]), tf.tensor2d(rows, [count, dimension])),
  );
  return { inputs: dimension, outputs: classes, weight, bias: Float32Array.from(sums) };
}

function rowsOfImages(images: number, sources: Int32Array): number[][] {
  const rows = Array.from({ length: images }, (_, image) => [image]);
  for (const [copy, image] of sources.entries()) rows[image]?.push(images + copy);
  return rows;
}

function oneHot(labels: Int32Array, classes: number): Float64Array {
  const targets = new Float64Array(labels.length * classes);
  for (const [row, label] of labels.entries()) targets[row * classes + label] = 1;
  return targets;
}

/** Inner products of all pairs of rows. */
function gramMatrix(tf: TensorFlow, rows: Float32Array, count: number, dimension: number): Float32Array {
  return valuesOf(tf, () => {
    const matrix = tf.tensor2d(rows, [count, dimension]);
    // Transposed first, because `matMul` with a transposed operand is slow on wasm.
    return tf.matMul(matrix, tf.transpose(matrix));
  });
}

function meanDiagonal(matrix: Float32Array, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += matrix[i * (size + 1)] ?? 0;
  return sum / size;
}
