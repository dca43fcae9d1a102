import type { DenseLayer, LayerGradient } from './dense-layers.ts';

/** Standardised features are `(x - mean) * scale`, with a mean and a scale for each feature. */
export interface Standardization {
  readonly mean: Float32Array;
  readonly scale: Float32Array;
}

/**
 * This share of the mean variance is added to the variance of each feature. Otherwise division by its own deviation
 * would inflate a feature that is nearly constant in the training images (a unit that never or hardly ever fires).
 * With a share of 1, features keep about half of their differences in spread, which on few images measured better than
 * keeping none (plain standardisation) or all.
 */
const SHARED_VARIANCE = 1;

/** Computes mean and scale of each column of `features` `[n, dimension]`, with sums in double precision. */
export function fitStandardization(features: Float32Array, dimension: number): Standardization {
  const count = features.length / dimension;
  const sums = new Float64Array(dimension);
  const squares = new Float64Array(dimension);
  for (let row = 0; row < count; row++) {
    const offset = row * dimension;
    for (let j = 0; j < dimension; j++) sums[j] = (sums[j] ?? 0) + (features[offset + j] ?? 0);
  }
  const mean = Float32Array.from(sums, (sum) => sum / count);
  // A second pass: the one-pass formula loses precision when the mean is large compared with the deviation.
  for (let row = 0; row < count; row++) {
    const offset = row * dimension;
    for (let j = 0; j < dimension; j++) {
      const difference = (features[offset + j] ?? 0) - (mean[j] ?? 0);
      squares[j] = (squares[j] ?? 0) + difference * difference;
    }
  }
  const variance = squares.map((sum) => sum / count);
  const shared = (SHARED_VARIANCE * variance.reduce((total, value) => total + value, 0)) / dimension;
  // When all features are constant there is nothing to learn from, and the scale would be infinite.
  const scale = Float32Array.from(variance, (value) => (shared > 0 ? 1 / Math.sqrt(value + shared) : 0));
  return { mean, scale };
}

/** Turns a layer for standardised features into one for raw features, with the same outputs. */
export function foldStandardization(layer: DenseLayer, { mean, scale }: Standardization): DenseLayer {
  const { inputs, outputs } = layer;
  const weight = new Float32Array(layer.weight.length);
  const bias = new Float32Array(outputs);
  for (let out = 0; out < outputs; out++) {
    let shift = layer.bias[out] ?? 0;
    for (let j = 0; j < inputs; j++) {
      const folded = (layer.weight[out * inputs + j] ?? 0) * (scale[j] ?? 0);
      weight[out * inputs + j] = folded;
      shift -= folded * (mean[j] ?? 0);
    }
    bias[out] = shift;
  }
  return { inputs, outputs, weight, bias };
}

/** The inverse of `foldStandardization`. Weights of features with scale 0 are lost. */
export function unfoldStandardization(layer: DenseLayer, { mean, scale }: Standardization): DenseLayer {
  return foldStandardization(layer, {
    mean: mean.map((value, j) => -value * (scale[j] ?? 0)),
    scale: scale.map((factor) => (factor > 0 ? 1 / factor : 0)),
  });
}

/**
 * The chain rule for `foldStandardization`: turns the gradient of the layer for raw features into the gradient of the
 * layer for standardised ones. So training needs no standardised copy of the batches, only arithmetic on the weights,
 * which are fewer.
 */
export function unfoldGradient(gradient: LayerGradient, { mean, scale }: Standardization): LayerGradient {
  const inputs = mean.length;
  const weight = new Float32Array(gradient.weight.length);
  for (let out = 0; out < gradient.bias.length; out++) {
    const shift = gradient.bias[out] ?? 0;
    for (let j = 0; j < inputs; j++) {
      const index = out * inputs + j;
      weight[index] = (scale[j] ?? 0) * ((gradient.weight[index] ?? 0) - shift * (mean[j] ?? 0));
    }
  }
  return { weight, bias: gradient.bias };
}
