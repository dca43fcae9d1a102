import type { TensorFlow } from '../../runtime/tensorflow.ts';

/** Side of the blocks in which a matrix is transposed, so that both sides stay in the processor's cache. */
const BLOCK = 32;

/** `left` `[rows, inner]` times `right` `[inner, columns]`. Neither is transposed: on wasm that is ten times slower. */
export function matrixProduct(
  tf: TensorFlow,
  left: Float32Array,
  right: Float32Array,
  [rows, inner, columns]: readonly [number, number, number],
): Float32Array {
  const [a, b] = [tf.tensor2d(left, [rows, inner]), tf.tensor2d(right, [inner, columns])];
  const product = tf.matMul(a, b);
  // Not `tf.tidy`, which looks for tensors in every element of an array that is returned.
  const values = product.dataSync<'float32'>();
  tf.dispose([a, b, product]);
  return values;
}

/** Transposes `[rows, columns]` to `[columns, rows]`. */
export function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let top = 0; top < rows; top += BLOCK) {
    const bottom = Math.min(rows, top + BLOCK);
    for (let left = 0; left < columns; left += BLOCK) {
      const right = Math.min(columns, left + BLOCK);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          result[column * rows + row] = matrix[row * columns + column] as number;
        }
      }
    }
  }
  return result;
}

/** Sums of the columns of `[rows, columns]`. */
export function columnSums(matrix: Float32Array, columns: number): Float32Array {
  const sums = new Float32Array(columns);
  for (let start = 0; start < matrix.length; start += columns) {
    for (let column = 0; column < columns; column++) {
      sums[column] = (sums[column] as number) + (matrix[start + column] as number);
    }
  }
  return sums;
}
