import { ConversionError } from '../conversion-error.ts';
import { weightsOf } from '../graph/graph.ts';
import type { Node } from '../graph/ir.ts';

/** Weights of a layer in bytes; `weight = byte * scale` with one scale for each output channel. */
export interface QuantizedWeights {
  readonly weight: Int8Array;
  readonly scales: Float32Array;
  /** In units of the scale of the input times that of the channel; absent when the layer has no bias. */
  readonly bias: Int32Array | undefined;
  readonly biasScales: Float32Array;
}

/**
 * Bound on the sum of two weights of one channel, of the same sign. Without VNNI, x64 processors add two products of
 * an unsigned and a signed byte in 16 bits, and cut off what lies beyond: 255 * 128 still fits, 255 * 129 does not.
 * Which two meet depends on the library, so the bound holds for any two.
 */
const PAIR_LIMIT = 128;
const BYTE_LIMIT = 127;
/** A bias is added to sums of products in 32 bits, which must not overflow. */
const BIAS_LIMIT = 2 ** 30;

/**
 * Quantizes the weights of a convolution or dense layer, symmetrically and per output channel, rounded to the nearest.
 * A channel without weights keeps a scale that its bias fits into.
 *
 * @param inputScale of the layer's quantized input
 * @param inputMeans mean of each input channel on the calibration images: the mean error that rounding the weights
 * causes is then taken from the bias (Nagel et al. 2019, https://arxiv.org/abs/1906.04721, section 4.2)
 */
export async function quantizeWeights(
  node: Node,
  inputScale: number,
  inputMeans: Float64Array | undefined,
): Promise<QuantizedWeights> {
  const [weight, bias] = weightsOf(node);
  const [channels = 0] = weight?.shape ?? [];
  if (weight === undefined) throw new ConversionError(`layer "${node.name}" has no weights`);
  const [values, biases] = [await weight.read(), await bias?.read()];
  const perChannel = values.length / channels;
  const pairLimit = isDepthwise(node) ? Number.POSITIVE_INFINITY : PAIR_LIMIT;
  const quantized = new Int8Array(values.length);
  const scales = new Float32Array(channels);
  const biasScales = new Float32Array(channels);
  const roundedBiases = new Int32Array(channels);
  for (let channel = 0; channel < channels; channel += 1) {
    const row = values.subarray(channel * perChannel, (channel + 1) * perChannel);
    const ownBias = biases?.[channel] ?? 0;
    const scale = scaleOf(row, pairLimit, Math.abs(ownBias) / (inputScale * BIAS_LIMIT));
    const bytes = quantized.subarray(channel * perChannel, (channel + 1) * perChannel);
    row.forEach((value, index) => {
      bytes[index] = Math.max(-BYTE_LIMIT, Math.min(BYTE_LIMIT, Math.round(value / scale)));
    });
    scales[channel] = scale;
    biasScales[channel] = inputScale * scale;
    const meanError = inputMeans === undefined ? 0 : meanErrorOf(node, channel, { row, bytes, scale }, inputMeans);
    const rounded = Math.round((ownBias - meanError) / (biasScales[channel] ?? 1));
    roundedBiases[channel] = Math.max(-BIAS_LIMIT, Math.min(BIAS_LIMIT, rounded));
  }
  return { weight: quantized, scales, bias: bias === undefined ? undefined : roundedBiases, biasScales };
}

/** One filter for each channel of the map: no two products are added in 16 bits. */
function isDepthwise({ operation, inputs: [input] }: Node): boolean {
  if (operation.kind !== 'conv2d' || input?.shape.kind !== 'map') return false;
  return operation.groups === input.shape.channels && operation.weight.shape[0] === operation.groups;
}

/** The smallest scale with which every weight fits into a byte, and every two of the same sign into the limit. */
function scaleOf(row: Float32Array, pairLimit: number, least: number): number {
  let [first, second, lowest, nextLowest] = [0, 0, 0, 0];
  for (const value of row) {
    if (value > first) [first, second] = [value, first];
    else if (value > second) second = value;
    else if (value < lowest) [lowest, nextLowest] = [value, lowest];
    else if (value < nextLowest) nextLowest = value;
  }
  // Rounding adds at most half a step to each of the two.
  const pair = Math.max(first + second, -lowest - nextLowest) / (pairLimit - 1);
  const scale = Math.fround(Math.max(first / BYTE_LIMIT, -lowest / BYTE_LIMIT, pair, least));
  return scale > 0 && Number.isFinite(scale) ? scale : 1;
}

interface QuantizedRow {
  readonly row: Float32Array;
  readonly bytes: Int8Array;
  readonly scale: number;
}

/** Mean of the output of a channel with the rounded weights minus that with the exact ones, away from the borders. */
function meanErrorOf(
  { operation }: Node,
  channel: number,
  { row, bytes, scale }: QuantizedRow,
  means: Float64Array,
): number {
  const groups = operation.kind === 'conv2d' ? operation.groups : 1;
  const [channels = 1, entering = 1] = operation.kind === 'conv2d' ? operation.weight.shape : [1, row.length];
  const cells = row.length / entering;
  const from = groups === 1 ? 0 : Math.floor(channel / (channels / groups)) * entering;
  return row.reduce((sum, value, index) => {
    const mean = means[from + Math.floor(index / cells)] ?? 0;
    return sum + ((bytes[index] ?? 0) * scale - value) * mean;
  }, 0);
}
