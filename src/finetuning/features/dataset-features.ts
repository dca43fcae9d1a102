import type { OfferedLayer } from '../../convert/transfer/layered-network.ts';
import type { FeatureSet, Samples } from './feature-set.ts';

/** Feature vectors of a data set, by what they are for. */
export interface DatasetFeatures {
  /** What the columns are, in their order; the last are the backbone's own features. */
  readonly layers: readonly OfferedLayer[];
  /** Training images and their varied copies. */
  readonly train: { readonly set: FeatureSet; readonly labels: Int32Array };
  readonly validation: Samples;
  readonly test: Samples;
  /** How the report names each test image. */
  readonly testNames: readonly string[];
}

/** The features of the last `count` layers alone. */
export function lastLayers(features: DatasetFeatures, count: number): DatasetFeatures {
  const { layers, train, validation, test } = features;
  if (count === layers.length) return features;
  const kept = layers.slice(-count);
  const all = layers.reduce((sum, { size }) => sum + size, 0);
  const dimension = kept.reduce((sum, { size }) => sum + size, 0);
  const cut = (matrix: Float32Array): Float32Array => lastColumns(matrix, all, dimension);
  const { originals, copies } = train.set;
  return {
    ...features,
    layers: kept,
    train: {
      ...train,
      set: {
        ...train.set,
        dimension,
        originals: cut(originals),
        ...(copies && { copies: { ...copies, features: cut(copies.features) } }),
      },
    },
    validation: { ...validation, features: cut(validation.features) },
    test: { ...test, features: cut(test.features) },
  };
}

/** The last `kept` columns of a matrix of `width`. */
function lastColumns(matrix: Float32Array, width: number, kept: number): Float32Array {
  const rows = matrix.length / width;
  const result = new Float32Array(rows * kept);
  for (let row = 0; row < rows; row++) {
    result.set(matrix.subarray((row + 1) * width - kept, (row + 1) * width), row * kept);
  }
  return result;
}
