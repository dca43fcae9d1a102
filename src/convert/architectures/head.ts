import { elementCount } from '../../common/tensor.ts';
import { ConversionError } from '../conversion-error.ts';
import { earlierMaps } from '../graph/earlier-maps.ts';
import { createGraph, type Graph } from '../graph/graph.ts';
import {
  activation,
  conv2d,
  dense,
  globalAveragePool,
  join,
  type MapNode,
  softmax,
  type VectorNode,
} from '../graph/ir.ts';
import type { Weight } from '../graph/tensors.ts';

/** What a head reads: the features, or the mean of each channel of the activations. */
export const HEAD_INPUTS = ['features', 'activations'] as const;
export type HeadInput = (typeof HEAD_INPUTS)[number];

export interface DenseWeights {
  /** `[out, in]` */
  readonly weight: Weight;
  /** `[out]` */
  readonly bias: Weight;
}

/** A dense layer as numbers: `y = weight x + bias`. */
interface DenseValues {
  readonly inputs: number;
  readonly outputs: number;
  /** `[outputs, inputs]`, row by row. */
  readonly weight: Float32Array;
  /** `[outputs]` */
  readonly bias: Float32Array;
}

/** A head as numbers: dense layers with a relu between them. */
export interface HeadValues {
  /** The input of the first layer: the features, or the mean of each channel of the activations. */
  readonly from: HeadInput;
  /** Number of earlier maps whose channel means the first layer reads before that; none when absent. */
  readonly earlier?: number;
  readonly layers: readonly DenseValues[];
}

/** A network without its classifier. */
export interface FeatureExtractor {
  readonly activations: MapNode;
  /** Called only when needed: a head that reads the activations needs no layers behind them, nor their tensors. */
  readonly features: () => VectorNode;
}

/**
 * The input of a head: the means of the channels of the last `earlier` earlier maps, the earliest first, followed by
 * the vector that `from` names.
 *
 * @throws ConversionError when the network has fewer earlier maps
 */
export function headInput(body: FeatureExtractor, from: HeadInput, earlier = 0): VectorNode {
  const last = from === 'features' ? body.features() : globalAveragePool('pooled_activations', body.activations);
  if (earlier === 0) return last;
  const maps = earlierMaps(body.activations, last);
  if (earlier > maps.length) {
    throw new ConversionError(`the head reads ${earlier} earlier maps, but the network has only ${maps.length}`);
  }
  const means = maps.slice(-earlier).map((map) => globalAveragePool(`${map.name}.mean`, map));
  return join('joined_features', [...means, last]);
}

/** Completes a network to a classifier by dense layers with a relu between them; the last one gives the logits. */
export function attachHead(
  input: MapNode,
  activations: MapNode,
  entering: VectorNode,
  layers: readonly DenseWeights[],
): Graph {
  const last = layers.at(-1);
  if (last === undefined) throw new ConversionError('a head needs at least one dense layer');
  const features = layers
    .slice(0, -1)
    .reduce((x, layer, index) => activation(`head.${index}.relu`, dense(`head.${index}`, x, layer), 'relu'), entering);
  const logits = dense('head', features, last);
  return createGraph(input, { probabilities: softmax('softmax', logits), logits, features, activations });
}

/**
 * Completes a network to a classifier by a 1x1 convolution over the activations, a relu, and the mean of each channel,
 * which gives the logits.
 *
 * @param convolution weight `[classes, channels, 1, 1]`, bias `[classes]`
 */
export function attachConvolution(
  input: MapNode,
  activations: MapNode,
  features: VectorNode,
  convolution: { readonly weight: Weight; readonly bias: Weight },
): Graph {
  const classMap = activation('head.relu', conv2d('head', activations, convolution), 'relu');
  const logits = globalAveragePool('head.pool', classMap);
  return createGraph(input, { probabilities: softmax('softmax', logits), logits, features, activations });
}

/** A last layer of one class and zeros, for graphs of which only the features are read. */
export function stubLayer(inputs: number): DenseWeights {
  const zeros = (name: string, shape: readonly number[]) => ({
    name,
    shape,
    read: async () => new Float32Array(elementCount(shape)),
  });
  return { weight: zeros('stub.weight', [1, inputs]), bias: zeros('stub.bias', [1]) };
}
