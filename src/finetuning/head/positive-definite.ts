/** Linear algebra of symmetric positive definite matrices, row-major `[size, size]`, in double precision. */

/**
 * Cholesky's decomposition in place: the lower triangle becomes L of L L^T. What lies above the diagonal is not read.
 * The matrix must be positive definite.
 */
export function factorize(matrix: Float64Array, size: number): void {
  for (let i = 0; i < size; i++) {
    const row = matrix.subarray(i * size, i * size + i + 1);
    for (let j = 0; j <= i; j++) {
      const other = matrix.subarray(j * size, j * size + j + 1);
      let sum = row[j] ?? 0;
      for (let k = 0; k < j; k++) sum -= (row[k] ?? 0) * (other[k] ?? 0);
      row[j] = i === j ? Math.sqrt(sum) : sum / (other[j] ?? 1);
    }
  }
}

/** The inverse of a lower triangular matrix, itself lower triangular. */
export function invertLower(lower: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    const pivot = lower[i * size + i] ?? 1;
    const row = inverse.subarray(i * size, i * size + i + 1);
    for (let k = 0; k < i; k++) {
      const factor = (lower[i * size + k] ?? 0) / pivot;
      const other = inverse.subarray(k * size, k * size + k + 1);
      for (let j = 0; j <= k; j++) row[j] = (row[j] ?? 0) - factor * (other[j] ?? 0);
    }
    row[i] = 1 / pivot;
  }
  return inverse;
}

/**
 * Solves `matrix x = right` for the columns of `right` `[size, columns]`, given the inverse of the matrix's factor L:
 * the product of the inverse's transpose, the inverse and `right`.
 */
export function solveWith(inverse: Float64Array, size: number, right: Float64Array, columns: number): Float64Array {
  const half = new Float64Array(right.length);
  const result = new Float64Array(right.length);
  for (let i = 0; i < size; i++) {
    const row = half.subarray(i * columns, (i + 1) * columns);
    for (let j = 0; j <= i; j++) addScaled(row, right, j * columns, inverse[i * size + j] ?? 0);
    for (let j = 0; j <= i; j++)
      addScaled(result.subarray(j * columns), half, i * columns, inverse[i * size + j] ?? 0, columns);
  }
  return result;
}

/** Adds `factor` times the values of `from` that begin at `offset`. */
function addScaled(to: Float64Array, from: Float64Array, offset: number, factor: number, length = to.length): void {
  for (let k = 0; k < length; k++) to[k] = (to[k] ?? 0) + factor * (from[offset + k] ?? 0);
}
