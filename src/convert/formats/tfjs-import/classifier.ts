import { elementCount } from '../../../common/tensor.ts';
import type { DenseWeights, FeatureExtractor } from '../../architectures/head.ts';
import { ConversionError } from '../../conversion-error.ts';
import { flatten, globalAveragePool, type MapNode, mapInput, type Node, type VectorNode } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { NO_PADDING, paddingEquals } from '../../graph/windows.ts';
import { constantWeight } from './kernels.ts';

/** A network split into the layers that give the features, and the last dense layer. */
export interface SplitNetwork {
  readonly body: FeatureExtractor;
  readonly classifier: DenseWeights;
}

/**
 * Splits a network at its last dense layer, before a softmax if it has one.
 *
 * @param output the output of the network: probabilities or logits
 * @throws ConversionError when it is not a classifier of exclusive classes
 */
export function splitClassifier(output: Node): SplitNetwork {
  const { operation, inputs } = output;
  const [before] = inputs;
  if (operation.kind === 'softmax' && before !== undefined) return splitLogits(asVector(before));
  if (operation.kind === 'activation' && operation.function === 'sigmoid' && before !== undefined) {
    const { length } = asVector(output).shape;
    if (length === 1) return binary(splitLogits(asVector(before)));
    throw new ConversionError(
      `layer "${output.name}" is ${length} sigmoids, so classes do not exclude each other; ` +
        'a classifier ends in a softmax',
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

/** The dense layer that gives the logits, or an equivalent. */
function lastDense(logits: VectorNode): LastDense {
  const { operation, inputs } = logits;
  const [input] = inputs;
  if (operation.kind === 'dense' && input !== undefined) return { ...operation, features: asVector(input) };
  if (operation.kind === 'flatten' || operation.kind === 'global_average_pool') {
    const dense = denseConvolution(mapInput(logits), operation.kind);
    if (dense !== undefined) return dense;
  }
  // The logits come from another layer, such as a global pool: an identity serves as the dense layer.
  const { length } = logits.shape;
  return { features: logits, weight: identity(`${logits.name}.weight`, length), bias: undefined };
}

/**
 * A convolution that covers its map, or a 1x1 convolution followed by a global average, is equivalent to a dense
 * layer.
 */
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

/** Two logits for a softmax from the one of a sigmoid: the first class is "no", with a logit of 0. */
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

/** The last map before the features, skipping pools. */
function lastMap(features: VectorNode): MapNode {
  let node: Node = features;
  while (node.shape.kind === 'vector' || POOLS.includes(node.operation.kind)) {
    const [input] = node.inputs;
    if (input === undefined) throw new ConversionError(`layer "${features.name}": there is no convolution before it`);
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
  throw new ConversionError(
    `the output of the network, layer "${node.name}", is a map; a classifier has one value per class`,
  );
}
