import type { Samples } from '../features/feature-set.ts';

/** The rows of two sets, one after the other. */
export function joinRows(first: Samples, second: Samples): Samples {
  const features = new Float32Array(first.features.length + second.features.length);
  features.set(first.features);
  features.set(second.features, first.features.length);
  const labels = new Int32Array(first.labels.length + second.labels.length);
  labels.set(first.labels);
  labels.set(second.labels, first.labels.length);
  return { features, labels };
}

/** Indices of the rows whose label is accepted. */
export function rowsWhere(labels: Int32Array, accept: (label: number, row: number) => boolean): Int32Array {
  const rows: number[] = [];
  labels.forEach((label, row) => {
    if (accept(label, row)) rows.push(row);
  });
  return Int32Array.from(rows);
}

/** Some rows of a matrix `[n, dimension]`. */
export function takeRows(matrix: Float32Array, dimension: number, rows: Int32Array): Float32Array {
  const result = new Float32Array(rows.length * dimension);
  rows.forEach((row, index) => {
    result.set(matrix.subarray(row * dimension, (row + 1) * dimension), index * dimension);
  });
  return result;
}
