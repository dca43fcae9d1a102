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
import type { Body, DenseWeights } from './head.ts';

/** A network up to its last dense layer, as a family of architectures builds it. */
export interface Backbone extends Body {
  /** The last dense layer: its tensors are `<classifier>.weight` and `<classifier>.bias`. */
  readonly classifier: string;
  /** Tensors that a checkpoint may have beside those of the network, for training alone. */
  readonly trainingOnly?: RegExp;
}

export interface ConvolutionModule extends WindowOptions {
  /** Channels out. */
  readonly width: number;
  readonly kernel: number | Pair;
  readonly groups?: number;
  /** Whether the checkpoint has `<name>.bias`. */
  readonly bias?: boolean;
}

/** A convolution by the name of its module: `<name>.weight`, and `<name>.bias` if it has one. */
export function convolution(checkpoint: Checkpoint, name: string, x: MapNode, module: ConvolutionModule): MapNode {
  const { width, kernel, groups = 1, bias = false, ...window } = module;
  return conv2d(name, x, {
    ...window,
    groups,
    weight: checkpoint.weight(`${name}.weight`, [width, x.shape.channels / groups, ...pair(kernel)]),
    bias: bias ? checkpoint.weight(`${name}.bias`, [width]) : undefined,
  });
}

/** A batch norm by the name of its module, with PyTorch's names for its four tensors. */
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

/** The two tensors of a dense layer by the name of its module. */
export function denseWeights(checkpoint: Checkpoint, name: string, inputs: number, outputs: number): DenseWeights {
  return {
    weight: checkpoint.weight(`${name}.weight`, [outputs, inputs]),
    bias: checkpoint.weight(`${name}.bias`, [outputs]),
  };
}

/** Dense layers with a relu behind each, by the names of their modules. */
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

/** A map pooled to `side` x `side` and flattened; its mean when that is 1. */
export function pooledTo(side: number, x: MapNode): VectorNode {
  if (side === 1) return globalAveragePool('avgpool', x);
  const { height, width } = x.shape;
  if (height === side && width === side) return flatten('flatten', x);
  const window = adaptiveWindow([height, width], [side, side]);
  return flatten('flatten', averagePool('avgpool', x, { ...window, countPadding: false }));
}
