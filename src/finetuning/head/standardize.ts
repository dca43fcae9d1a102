import type { DenseLayer, LayerGradient } from './head-network.ts';

/** What turns raw features into standardised ones: `(x - mean) * scale`, per feature. */
export interface Standardization {
  readonly mean: Float32Array;
  readonly scale: Float32Array;
}

/**
 * A feature that is nearly constant in the training images (a dead unit, or one that fired once) would be blown up by
 * dividing by its own deviation, so this share of the mean variance is added to each variance. With 1, features keep half
 * of their differences in spread: measured better on few images than none of them (plain standardisation) or all.
 */
const SHARED_VARIANCE = 1;

/** Mean and scale of each column of `features` `[n, dimension]`; sums are in double precision. */
export function fitStandardization(features: Float32Array, dimension: number): Standardization {
  const count = features.length / dimension;
  const sums = new Float64Array(dimension);
  const squares = new Float64Array(dimension);
  for (let row = 0; row < count; row++) {
    const offset = row * dimension;
    for (let j = 0; j < dimension; j++) sums[j] = (sums[j] ?? 0) + (features[offset + j] ?? 0);
  }
  const mean = Float32Array.from(sums, (sum) => sum / count);
  // Two passes: the one-pass formula cancels when the mean is large beside the deviation.
  for (let row = 0; row < count; row++) {
    const offset = row * dimension;
    for (let j = 0; j < dimension; j++) {
      const difference = (features[offset + j] ?? 0) - (mean[j] ?? 0);
      squares[j] = (squares[j] ?? 0) + difference * difference;
    }
  }
  const variance = squares.map((sum) => sum / count);
  const shared = (SHARED_VARIANCE * variance.reduce((total, value) => total + value, 0)) / dimension;
  // All features constant: nothing to learn from, and nothing to divide by.
  const scale = Float32Array.from(variance, (value) => (shared > 0 ? 1 / Math.sqrt(value + shared) : 0));
  return { mean, scale };
}

/** The first layer, trained on standardised features, as one that takes raw features: same outputs. */
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

/** The inverse of `foldStandardization`; where nothing can be learnt from the features, what they weighed is lost. */
export function unfoldStandardization(layer: DenseLayer, { mean, scale }: Standardization): DenseLayer {
  return foldStandardization(layer, {
    mean: mean.map((value, j) => -value * (scale[j] ?? 0)),
    scale: scale.map((factor) => (factor > 0 ? 1 / factor : 0)),
  });
}

/**
 * The chain rule through `foldStandardization`: from the gradient by the folded layer to that by the layer itself. It
 * lets training run on raw rows, whose copy is a plain one, and do the arithmetic on the weights, which are fewer.
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
