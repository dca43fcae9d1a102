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
 * Bound on the sum of two weights of the same sign that processors without VNNI add in 16 bits: of a pair of input
 * channels, the products of an unsigned and a signed byte. What lies beyond is cut off: 255 * 128 still fits, 255 * 129
 * does not. The pairs are those of MLAS and oneDNN, which take the channels of a cell four at a time; where channels
 * are no multiple of two, which two meet depends on the library, and the bound holds for any two.
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
  const largestPair = pairMeasure(node);
  const quantized = new Int8Array(values.length);
  const scales = new Float32Array(channels);
  const biasScales = new Float32Array(channels);
  const roundedBiases = new Int32Array(channels);
  for (let channel = 0; channel < channels; channel += 1) {
    const row = values.subarray(channel * perChannel, (channel + 1) * perChannel);
    const ownBias = biases?.[channel] ?? 0;
    // Rounding adds at most half a step to each of two.
    const least = Math.max(largestPair(row) / (PAIR_LIMIT - 1), Math.abs(ownBias) / (inputScale * BIAS_LIMIT));
    const scale = scaleOf(row, least);
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

/** Whether a convolution has one filter for each channel of its map. */
export function isDepthwise({ operation, inputs: [input] }: Node): boolean {
  if (operation.kind !== 'conv2d' || input?.shape.kind !== 'map') return false;
  return operation.groups === input.shape.channels && operation.weight.shape[0] === operation.groups;
}

/** Computes the largest sum of two weights of a channel that are added in 16 bits and have the same sign. */
function pairMeasure(node: Node): (row: Float32Array) => number {
  // Of one input channel, no two products are added in 16 bits.
  if (isDepthwise(node)) return () => 0;
  const [, entering = 1, height = 1, width = 1] = weightsOf(node)[0]?.shape ?? [];
  if (entering % 2 === 1) return largestOfAny;
  const cells = height * width;
  return (row) => {
    let largest = 0;
    for (let at = 0; at < row.length; at += 1) {
      // The second of a pair was seen with the first.
      if (Math.floor(at / cells) % 2 === 1) continue;
      const [one, other] = [row[at] ?? 0, row[at + cells] ?? 0];
      if (one > 0 === other > 0) largest = Math.max(largest, Math.abs(one + other));
    }
    return largest;
  };
}

function largestOfAny(row: Float32Array): number {
  let [first, second, lowest, nextLowest] = [0, 0, 0, 0];
  for (const value of row) {
    if (value > first) [first, second] = [value, first];
    else if (value > second) second = value;
    else if (value < lowest) [lowest, nextLowest] = [value, lowest];
    else if (value < nextLowest) nextLowest = value;
  }
  return Math.max(first + second, -lowest - nextLowest);
}

/** The smallest scale, no less than the given one, with which every weight fits into a byte. */
function scaleOf(row: Float32Array, least: number): number {
  const largest = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = Math.fround(Math.max(largest / BYTE_LIMIT, least));
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
