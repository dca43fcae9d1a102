import { NOVELTY_EPSILON } from '../../convert/transfer/novelty.ts';

/**
 * Normalises each row of `features` `[n, dimension]` to mean 0 and variance 1 over its values. The length of a feature
 * vector says how sharp and how large things are in an image, not what they are: without it, every distance separates
 * unknown images better (at EfficientNet-Lite0, 88 instead of 95 % AUROC for insects among other photos). A layer
 * norm, unlike a division by the length, is a layer of ONNX and of TensorFlow.js.
 */
export function layerNormalized(features: Float32Array, dimension: number): Float32Array {
  const result = new Float32Array(features.length);
  for (let start = 0; start < features.length; start += dimension) {
    let sum = 0;
    let squares = 0;
    for (let j = 0; j < dimension; j++) sum += features[start + j] ?? 0;
    const mean = sum / dimension;
    for (let j = 0; j < dimension; j++) squares += ((features[start + j] ?? 0) - mean) ** 2;
    const factor = 1 / Math.sqrt(squares / dimension + NOVELTY_EPSILON);
    for (let j = 0; j < dimension; j++) result[start + j] = ((features[start + j] ?? 0) - mean) * factor;
  }
  return result;
}
