import { fitTemperature } from '../head/calibration.ts';
import { factorize, invertLower, solveWith } from '../head/positive-definite.ts';
import type { Gram } from './gram.ts';
import { rowsWhere } from './rows.ts';

/** Linear heads that were solved for, one without each class. */
export interface RidgeHeads {
  /** Logits `[images, classes - 1]` of a head that was fitted without the images of a class and does not know it. */
  readonly without: (label: number, images: Int32Array) => Float32Array;
}

/** Multiples of the variance of the features. */
const PENALTIES = [0.03, 0.3, 3];
/** Squared length of a constant feature, as a multiple of theirs: its weight, the bias, is hardly penalised. */
const BIAS_LENGTH = 1000;
/** Answers differ by at most about 1; logits of this scale need a temperature near 1. */
const LOGIT_SCALE = 10;

/**
 * Ridge regression of one-hot targets in its dual form. The head without a class needs no further fit: its images are
 * taken out of the solution (Allen's PRESS, 1974, for all of them at once). Penalty and temperature are the best for
 * left-out images of all classes.
 *
 * @param images indices of the images to fit to, of each class some
 * @param labels of all images
 */
export function fitRidgeHeads(
  { size, products, dimension }: Gram,
  images: Int32Array,
  labels: Int32Array,
  classes: number,
): RidgeHeads {
  const count = images.length;
  const own = images.map((image) => labels[image] ?? 0);
  const targets = new Float64Array(count * classes);
  for (const [row, label] of own.entries()) targets[row * classes + label] = 1;
  const bias = BIAS_LENGTH * dimension;
  const kernel = (i: number, j: number): number => (products[i * size + j] ?? 0) + bias;
  const variance = centredVariance();
  const { inverse, dual, answers } = PENALTIES.map((penalty) => solve(penalty * variance)).reduce((best, next) =>
    next.error < best.error ? next : best,
  );
  const scale = LOGIT_SCALE / fitTemperature({ logits: answers, labels: own, classes });

  return {
    without: (label, asked) => {
      const reduced = dualWithout(label);
      const logits = new Float32Array(asked.length * (classes - 1));
      for (const [row, image] of asked.entries()) {
        for (let i = 0; i < count; i++) {
          const value = scale * kernel(image, images[i] ?? 0);
          for (let k = 0; k < classes - 1; k++) {
            const at = row * (classes - 1) + k;
            logits[at] = (logits[at] ?? 0) + value * (reduced[i * classes + (k < label ? k : k + 1)] ?? 0);
          }
        }
      }
      return logits;
    },
  };

  function centredVariance(): number {
    let diagonal = 0;
    let all = 0;
    for (const i of images) {
      diagonal += products[i * size + i] ?? 0;
      for (const j of images) all += products[i * size + j] ?? 0;
    }
    return (diagonal - all / count) / count || 1;
  }

  function solve(penalty: number) {
    const matrix = new Float64Array(count * count);
    for (const [row, i] of images.entries()) {
      for (let column = 0; column <= row; column++) matrix[row * count + column] = kernel(i, images[column] ?? 0);
      matrix[row * (count + 1)] = (matrix[row * (count + 1)] ?? 0) + penalty;
    }
    factorize(matrix, count);
    const lower = invertLower(matrix, count);
    const solution = solveWith(lower, count, targets, classes);
    const diagonal = new Float64Array(count);
    for (let row = 0; row < count; row++) {
      for (let i = 0; i <= row; i++) diagonal[i] = (diagonal[i] ?? 0) + (lower[row * count + i] ?? 0) ** 2;
    }
    let error = 0;
    const unseen = Float32Array.from(targets, (target, at) => {
      const residual = (solution[at] ?? 0) / (diagonal[Math.floor(at / classes)] ?? 1);
      error += residual ** 2;
      return LOGIT_SCALE * (target - residual);
    });
    return { inverse: lower, dual: solution, answers: unseen, error };
  }

  /** The solution without the images of a class, whose rows are zero. */
  function dualWithout(label: number): Float64Array {
    const left = rowsWhere(own, (each) => each === label);
    const width = left.length;
    const units = new Float64Array(count * width);
    for (const [column, row] of left.entries()) units[row * width + column] = 1;
    const columns = solveWith(inverse, count, units, width);
    const block = new Float64Array(width * width);
    const right = new Float64Array(width * classes);
    for (const [p, row] of left.entries()) {
      block.set(columns.subarray(row * width, (row + 1) * width), p * width);
      right.set(dual.subarray(row * classes, (row + 1) * classes), p * classes);
    }
    factorize(block, width);
    const share = solveWith(invertLower(block, width), width, right, classes);
    const result = dual.slice();
    for (let row = 0; row < count; row++) {
      for (let p = 0; p < width; p++) {
        const factor = columns[row * width + p] ?? 0;
        for (let k = 0; k < classes; k++) {
          result[row * classes + k] = (result[row * classes + k] ?? 0) - factor * (share[p * classes + k] ?? 0);
        }
      }
    }
    for (const row of left) result.fill(0, row * classes, (row + 1) * classes);
    return result;
  }
}
