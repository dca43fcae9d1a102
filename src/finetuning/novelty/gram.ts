import { type TensorFlow, valuesOf } from '../../runtime/tensorflow.ts';
import { layerNormalized } from './layer-normalization.ts';

/**
 * Inner products of layer-normalised features. Means, covariances and distances of any choice of the images follow from
 * them without the features, so that many fits on few images cost little.
 */
export interface Gram {
  /** Number of images. */
  readonly size: number;
  /** Of the features. */
  readonly dimension: number;
  /** `[size, size]` */
  readonly products: Float32Array;
}

/** The inner products of features `[n, dimension]`, as the backbone gives them. */
export function gramOf(tf: TensorFlow, features: Float32Array, dimension: number): Gram {
  const size = features.length / dimension;
  const products = valuesOf(tf, () => {
    const rows = tf.tensor2d(layerNormalized(features, dimension), [size, dimension]);
    // Transposed first, because `matMul` with a transposed operand is slow on wasm.
    return tf.matMul(rows, tf.transpose(rows));
  });
  return { size, dimension, products };
}
