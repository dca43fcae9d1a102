import { elementCount } from '../../common/tensor.ts';

/**
 * A source of tensors: a safetensors file, a checkpoint of another format, or a generator in a test. Shapes are known
 * immediately; values are read on demand, so that only one or two tensors are in memory at a time.
 */
export interface TensorSource {
  names(): Iterable<string>;
  /** Undefined when there is no such tensor. */
  shape(name: string): readonly number[] | undefined;
  /** The values in row-major order, converted to float32. */
  read(name: string): Promise<Float32Array>;
}

/**
 * A constant of a layer graph. `read` may compute its values (as for a folded batch norm) and may be called more than
 * once: emitters read each weight when they write it, and keep none.
 */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  read(): Promise<Float32Array>;
}

/** Size of the values in bytes, as float32. */
export function byteLength({ shape }: Pick<Weight, 'shape'>): number {
  return elementCount(shape) * Float32Array.BYTES_PER_ELEMENT;
}

/** Reports progress by bytes. Call the returned function with each weight that is done. */
export function progressOver(
  weights: readonly Weight[],
  onProgress: (fraction: number) => void,
): (weight: Weight) => void {
  const total = weights.reduce((sum, weight) => sum + byteLength(weight), 0);
  let done = 0;
  return (weight) => {
    done += byteLength(weight);
    onProgress(done / total);
  };
}
