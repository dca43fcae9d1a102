import {
  activation,
  averagePool,
  batchNorm,
  conv2d,
  dense,
  flatten,
  globalAveragePool,
  type MapNode,
  type VectorNode,
  type WindowOptions,
} from '../graph/ir.ts';
import { adaptiveWindow, type Pair, pair } from '../graph/windows.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { DenseWeights, FeatureExtractor } from './head.ts';

/** A network up to its classifier, as a family of architectures builds it. */
export interface Backbone extends FeatureExtractor {
  readonly classifier: Classifier;
  /** Names of tensors that only training uses: a checkpoint may have them in addition. */
  readonly trainingOnly?: RegExp;
}

/**
 * The last layer that has tensors, `<name>.weight` and `<name>.bias`. `dense`: it reads the features and gives the
 * logits. `convolution`: it is a 1x1 convolution over the activations; a relu and the mean of each channel follow.
 */
interface Classifier {
  readonly kind: 'dense' | 'convolution';
  readonly name: string;
}

export interface ConvolutionModule extends WindowOptions {
  /** Number of output channels. */
  readonly width: number;
  readonly kernel: number | Pair;
  readonly groups?: number;
  /** Whether the checkpoint has `<name>.bias`. */
  readonly bias?: boolean;
}

/** A convolution with the tensors `<name>.weight` and, when `bias` is set, `<name>.bias`. */
export function convolution(checkpoint: Checkpoint, name: string, x: MapNode, module: ConvolutionModule): MapNode {
  const { width, kernel, groups = 1, bias = false, ...window } = module;
  return conv2d(name, x, {
    ...window,
    groups,
    weight: checkpoint.weight(`${name}.weight`, [width, x.shape.channels / groups, ...pair(kernel)]),
    bias: bias ? checkpoint.weight(`${name}.bias`, [width]) : undefined,
  });
}

/** A batch norm with PyTorch's four tensors: `<name>.weight`, `.bias`, `.running_mean` and `.running_var`. */
export function normalization(checkpoint: Checkpoint, name: string, x: MapNode, epsilon: number): MapNode {
  const tensor = (suffix: string) => checkpoint.weight(`${name}.${suffix}`, [x.shape.channels]);
  return batchNorm(name, x, {
    scale: tensor('weight'),
    shift: tensor('bias'),
    mean: tensor('running_mean'),
    variance: tensor('running_var'),
    epsilon,
  });
}

/** The tensors `<name>.weight` and `<name>.bias` of a dense layer. */
export function denseWeights(checkpoint: Checkpoint, name: string, inputs: number, outputs: number): DenseWeights {
  return {
    weight: checkpoint.weight(`${name}.weight`, [outputs, inputs]),
    bias: checkpoint.weight(`${name}.bias`, [outputs]),
  };
}

/** Dense layers with the given module names, each followed by a relu. */
export function hiddenLayers(
  checkpoint: Checkpoint,
  names: readonly string[],
  widths: readonly number[],
  input: VectorNode,
): VectorNode {
  return names.reduce((x, name, index) => {
    const weights = denseWeights(checkpoint, name, x.shape.length, widths[index] ?? 0);
    return activation(`${name}.relu`, dense(name, x, weights), 'relu');
  }, input);
}

/** A map average-pooled to `side` x `side` and flattened; the mean of each channel when `side` is 1. */
export function pooledTo(side: number, x: MapNode): VectorNode {
  if (side === 1) return globalAveragePool('avgpool', x);
  const { height, width } = x.shape;
  if (height === side && width === side) return flatten('flatten', x);
  const window = adaptiveWindow([height, width], [side, side]);
  return flatten('flatten', averagePool('avgpool', x, { ...window, countPadding: false }));
}
