import { elementCount } from '../../../common/tensor.ts';
import type { Body, DenseWeights } from '../../architectures/head.ts';
import { ConversionError } from '../../conversion-error.ts';
import { flatten, globalAveragePool, type MapNode, mapInput, type Node, type VectorNode } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { NO_PADDING, paddingEquals } from '../../graph/windows.ts';
import { constantWeight } from './kernels.ts';

/** A network as every classifier here is taken: a body, and a last dense layer that makes the logits. */
export interface SplitNetwork {
  readonly body: Body;
  readonly classifier: DenseWeights;
}

/**
 * Splits a network at its last dense layer, before a softmax if it has one.
 *
 * @param output what the network answers: probabilities or logits
 * @throws ConversionError when it is no classifier of one class out of several
 */
export function splitClassifier(output: Node): SplitNetwork {
  const { operation, inputs } = output;
  const [before] = inputs;
  if (operation.kind === 'softmax' && before !== undefined) return splitLogits(asVector(before));
  if (operation.kind === 'activation' && operation.function === 'sigmoid' && before !== undefined) {
    const { length } = asVector(output).shape;
    if (length === 1) return binary(splitLogits(asVector(before)));
    throw new ConversionError(
      `layer "${output.name}": ${length} sigmoids are ${length} answers of yes or no; a classifier ends in a softmax`,
    );
  }
  return splitLogits(asVector(output));
}

function splitLogits(logits: VectorNode): SplitNetwork {
  const { features, weight, bias } = lastDense(logits);
  const [out = 0] = weight.shape;
  return {
    body: { activations: lastMap(features), features: () => features },
    classifier: { weight, bias: bias ?? constantWeight(`${logits.name}.bias`, out, 0) },
  };
}

interface LastDense {
  readonly features: VectorNode;
  readonly weight: Weight;
  readonly bias: Weight | undefined;
}

/** The dense layer that makes the logits, or what computes the same as one. */
function lastDense(logits: VectorNode): LastDense {
  const { operation, inputs } = logits;
  const [input] = inputs;
  if (operation.kind === 'dense' && input !== undefined) return { ...operation, features: asVector(input) };
  if (operation.kind === 'flatten' || operation.kind === 'global_average_pool') {
    const dense = denseConvolution(mapInput(logits), operation.kind);
    if (dense !== undefined) return dense;
  }
  // The classes are there already, as the means of their own maps perhaps: a dense layer that changes nothing.
  const { length } = logits.shape;
  return { features: logits, weight: identity(`${logits.name}.weight`, length), bias: undefined };
}

/** A convolution that covers its map, or one of 1x1 whose means are taken, is a dense layer. */
function denseConvolution(node: MapNode, then: 'flatten' | 'global_average_pool'): LastDense | undefined {
  const { operation, name } = node;
  if (operation.kind !== 'conv2d' || operation.groups !== 1) return undefined;
  const { weight, bias, window } = operation;
  const x = mapInput(node);
  const covered = then === 'flatten' ? [x.shape.height, x.shape.width] : [1, 1];
  const plain = paddingEquals(window.padding, NO_PADDING) && window.kernel.join() === covered.join();
  if (!plain || (then === 'global_average_pool' && window.stride.join() !== '1,1')) return undefined;
  const features = then === 'flatten' ? flatten(`${name}.features`, x) : globalAveragePool(`${name}.features`, x);
  const [out = 0, ...rest] = weight.shape;
  return { features, weight: { ...weight, shape: [out, elementCount(rest)] }, bias };
}

/** One logit that a sigmoid reads, as two for a softmax: the first class is "no", with a logit of 0. */
function binary({ body, classifier }: SplitNetwork): SplitNetwork {
  const { weight, bias } = classifier;
  const withZeros = (x: Weight, shape: readonly number[]): Weight => ({
    name: x.name,
    shape,
    read: async () => {
      const values = await x.read();
      const both = new Float32Array(2 * values.length);
      both.set(values, values.length);
      return both;
    },
  });
  return {
    body,
    classifier: { weight: withZeros(weight, [2, weight.shape[1] ?? 0]), bias: withZeros(bias, [2]) },
  };
}

/** The map that the features are made of, before the pools between. */
function lastMap(features: VectorNode): MapNode {
  let node: Node = features;
  while (node.shape.kind === 'vector' || POOLS.includes(node.operation.kind)) {
    const [input] = node.inputs;
    if (input === undefined) throw new ConversionError(`layer "${features.name}": no convolution comes before it`);
    node = input;
  }
  return node as MapNode;
}

const POOLS: readonly string[] = ['max_pool', 'average_pool', 'zero_pad'];

function identity(name: string, length: number): Weight {
  const read = async () => {
    const values = new Float32Array(length * length);
    for (let index = 0; index < length; index += 1) values[index * length + index] = 1;
    return values;
  };
  return { name, shape: [length, length], read };
}

function asVector(node: Node): VectorNode {
  if (node.shape.kind === 'vector') return node as VectorNode;
  throw new ConversionError(`layer "${node.name}" ends the network with a map; a classifier ends with a value a class`);
}
