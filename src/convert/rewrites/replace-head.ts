import { ConversionError } from '../conversion-error.ts';
import { createGraph, type Graph, type GraphOutputs } from '../graph.ts';
import { activation, dense, globalAveragePool, type MapNode, softmax, type VectorNode } from '../ir.ts';
import type { Weight } from '../tensors.ts';

/** Where a head begins: at the features, or at the mean of each channel of the activations. */
export const HEAD_INPUTS = ['features', 'activations'] as const;
export type HeadInput = (typeof HEAD_INPUTS)[number];

export interface DenseWeights {
  /** `[out, in]` */
  readonly weight: Weight;
  /** `[out]` */
  readonly bias: Weight;
}

/** Dense layers with a relu between them; the last makes the logits. A temperature is folded into the last. */
export interface Head {
  readonly from: HeadInput;
  readonly layers: readonly DenseWeights[];
}

/** The same backbone under another head: what a fine-tuned model is. */
export function replaceHead({ input, outputs }: Graph, head: Head): Graph {
  const entering = head.from === 'features' ? outputs.features : pooled(outputs.activations);
  return attachHead(input, outputs.activations, entering, head.layers);
}

/** Closes a backbone to a classifier. `entering` is what the first dense layer reads. */
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
  const outputs: GraphOutputs = { probabilities: softmax('softmax', logits), logits, features, activations };
  return createGraph(input, outputs);
}

/** The vector that a head from `activations` reads. */
export function pooled(activations: MapNode): VectorNode {
  return globalAveragePool('pooled_activations', activations);
}
