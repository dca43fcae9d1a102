/** A dense row-major array with its shape; `data.length` is the product of `shape`. */
export interface Tensor<T extends Uint8Array | Float32Array = Float32Array> {
  readonly data: T;
  readonly shape: readonly number[];
}

/** RGB pixels in 0..255, shape `[n, height, width, 3]`. */
export type PixelTensor = Tensor<Uint8Array>;

/** Number of elements in a tensor of this shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
