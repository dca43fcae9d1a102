import { elementCount } from '../../common/tensor.ts';

/**
 * Where tensors come from: a safetensors file, a checkpoint of another format, a generator in a test. Shapes are known
 * at once, values are read when they are asked for, so that no more than a tensor or two is in memory.
 */
export interface TensorSource {
  names(): Iterable<string>;
  /** Undefined when there is no tensor of this name. */
  shape(name: string): readonly number[] | undefined;
  /** The values in row-major order, whatever type they are stored in. */
  read(name: string): Promise<Float32Array>;
}

/**
 * A constant of a layer graph: its shape now, its values on demand. `read` may compute (a folded batch norm does), and
 * may be called more than once: emitters read each weight when they write it and keep none.
 */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  read(): Promise<Float32Array>;
}

/** Bytes of a weight's values. */
export function byteLength({ shape }: Pick<Weight, 'shape'>): number {
  return elementCount(shape) * Float32Array.BYTES_PER_ELEMENT;
}

/** Tells how far a walk over weights has come: call the result with each weight that is done. */
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
