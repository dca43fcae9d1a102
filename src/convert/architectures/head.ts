import { elementCount } from '../../common/tensor.ts';
import { ConversionError } from '../conversion-error.ts';
import { earlierMaps } from '../graph/earlier-maps.ts';
import { createGraph, type Graph } from '../graph/graph.ts';
import { activation, dense, globalAveragePool, join, type MapNode, softmax, type VectorNode } from '../graph/ir.ts';
import type { Weight } from '../graph/tensors.ts';

/** Where a head begins: at the features, or at the mean of each channel of the activations. */
export const HEAD_INPUTS = ['features', 'activations'] as const;
export type HeadInput = (typeof HEAD_INPUTS)[number];

export interface DenseWeights {
  /** `[out, in]` */
  readonly weight: Weight;
  /** `[out]` */
  readonly bias: Weight;
}

/** A network without its last dense layer. */
export interface Body {
  readonly activations: MapNode;
  /** Deferred, since a head upon the activations needs none of the layers behind them, nor their tensors. */
  readonly features: () => VectorNode;
}

/**
 * What the first dense layer of a head reads: the vector it begins at and, before that, the channels' means of the last
 * `earlier` of the network's earlier maps, the earliest first.
 *
 * @throws ConversionError when the network has fewer of them
 */
export function headInput(body: Body, from: HeadInput, earlier = 0): VectorNode {
  const last = from === 'features' ? body.features() : globalAveragePool('pooled_activations', body.activations);
  if (earlier === 0) return last;
  const maps = earlierMaps(body.activations, last);
  if (earlier > maps.length) {
    throw new ConversionError(`a head reads ${earlier} earlier layers, but the network offers ${maps.length}`);
  }
  const means = maps.slice(-earlier).map((map) => globalAveragePool(`${map.name}.mean`, map));
  return join('joined_features', [...means, last]);
}

/**
 * Closes a network to a classifier by dense layers with a relu between them, of which the last makes the logits. So
 * a fine-tuned model is made: its backbone, and other layers than the backbone's own.
 */
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

/** A classifier has a last layer; of this one nobody asks the answer. */
export function stubLayer(inputs: number): DenseWeights {
  const zeros = (name: string, shape: readonly number[]) => ({
    name,
    shape,
    read: async () => new Float32Array(elementCount(shape)),
  });
  return { weight: zeros('stub.weight', [1, inputs]), bias: zeros('stub.bias', [1]) };
}
