/** Conversions from the layout of PyTorch's weights to TensorFlow's. Every function returns a new array. */

/** Rows and columns of a tile that fits into the processor's cache while it is transposed. */
const TILE = 32;

/** Transposes `[rows, columns]` to `[columns, rows]`. */
export function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const transposed = new Float32Array(values.length);
  for (let top = 0; top < rows; top += TILE) {
    for (let left = 0; left < columns; left += TILE) {
      const [bottom, right] = [Math.min(top + TILE, rows), Math.min(left + TILE, columns)];
      for (let row = top; row < bottom; row += 1) {
        for (let column = left; column < right; column += 1) {
          transposed[column * rows + row] = values[row * columns + column] ?? 0;
        }
      }
    }
  }
  return transposed;
}

/**
 * Converts the weight of a convolution, `[out, in / groups, height, width]` to `[height, width, in, out]`. Layers
 * models have no grouped convolutions, so the kernel is zero between groups: the result is the same, but the kernel
 * is `groups` times as large, and so is the work.
 */
export function convolutionKernel(values: Float32Array, shape: readonly number[], groups: number): Float32Array {
  const [out = 0, perGroup = 0, height = 0, width = 0] = shape;
  const area = height * width;
  // The cells of the window are one axis: [out, in, area] -> [area, in, out].
  const kernel = new Float32Array(area * perGroup * groups * out);
  for (let o = 0; o < out; o += 1) {
    const firstInput = Math.floor(o / (out / groups)) * perGroup;
    for (let i = 0; i < perGroup; i += 1) {
      const source = (o * perGroup + i) * area;
      const target = (firstInput + i) * out + o;
      for (let pixel = 0; pixel < area; pixel += 1) {
        kernel[pixel * perGroup * groups * out + target] = values[source + pixel] ?? 0;
      }
    }
  }
  return kernel;
}

/**
 * Converts a depthwise weight, `[channels * multiplier, 1, height, width]` to `[height, width, channels,
 * multiplier]`.
 */
export function depthwiseKernel(values: Float32Array, shape: readonly number[]): Float32Array {
  const [out = 0, , height = 0, width = 0] = shape;
  return transpose(values, out, height * width);
}
