import { ConversionError } from '../conversion-error.ts';
import type { Weight } from './tensors.ts';
import {
  NO_PADDING,
  type Padding,
  type Pair,
  pair,
  type SlidingWindow,
  symmetricPadding,
  windowOutput,
} from './windows.ts';

/**
 * The layer graph: what a CNN classifier computes, independent of memory layout. Nodes are immutable and refer to
 * their inputs, so the outputs determine a graph, and a rewrite creates new nodes that refer to old ones. Each
 * constructor below checks the arguments of its layer and infers its shape; errors name the layer.
 *
 * Weights have PyTorch's layout: convolutions `[out, in / groups, height, width]`, dense layers `[out, in]`. A map is
 * flattened channel by channel.
 */
export type Operation =
  | { readonly kind: 'pixels' }
  /** `x * scale + shift`, with one pair of values for each channel. */
  | { readonly kind: 'normalize'; readonly scale: readonly number[]; readonly shift: readonly number[] }
  | {
      readonly kind: 'conv2d';
      readonly weight: Weight;
      readonly bias: Weight | undefined;
      readonly window: SlidingWindow;
      readonly groups: number;
    }
  /** `(x - mean) / sqrt(variance + epsilon) * scale + shift`, with one value for each channel. */
  | {
      readonly kind: 'batch_norm';
      readonly scale: Weight;
      readonly shift: Weight;
      readonly mean: Weight;
      readonly variance: Weight;
      readonly epsilon: number;
    }
  | { readonly kind: 'activation'; readonly function: ActivationFunction }
  /** `x` above zero, `x * slope` below zero. */
  | { readonly kind: 'leaky_relu'; readonly slope: number }
  /** Padding counts as minus infinity. */
  | { readonly kind: 'max_pool'; readonly window: SlidingWindow }
  /** With `countPadding`, padding counts as zeros; without it, only values of the map count. */
  | { readonly kind: 'average_pool'; readonly window: SlidingWindow; readonly countPadding: boolean }
  | { readonly kind: 'global_average_pool' }
  | { readonly kind: 'zero_pad'; readonly padding: Padding }
  /** Removes rows and columns at the borders of a map. */
  | { readonly kind: 'crop'; readonly removed: Padding }
  | { readonly kind: 'add' }
  /** Values are multiplied one by one; a vector multiplies each channel of a map by one value. */
  | { readonly kind: 'multiply' }
  /** Concatenates the channels of maps, or vectors. */
  | { readonly kind: 'concat' }
  | { readonly kind: 'flatten' }
  | { readonly kind: 'dense'; readonly weight: Weight; readonly bias: Weight | undefined }
  | { readonly kind: 'softmax' }
  /** `(x - mean) / sqrt(variance + epsilon)` with mean and variance over the values of a vector (Ba et al. 2016). */
  | { readonly kind: 'layer_norm'; readonly epsilon: number }
  /** The largest value of a vector. */
  | { readonly kind: 'max' };

/** The operation of one kind. */
export type OperationOf<K extends Operation['kind']> = Extract<Operation, { readonly kind: K }>;

/**
 * `swish` is `x * sigmoid(x)`. Clipped to 0..1, `hard_sigmoid` is `0.2 x + 0.5`, as in Keras 2 and TF.js, and
 * `keras3_hard_sigmoid` is `x / 6 + 0.5`, as in Keras 3 and PyTorch. `hard_swish` is `x * keras3_hard_sigmoid(x)`.
 * `gelu` is `x * (1 + erf(x / sqrt(2))) / 2`, https://arxiv.org/abs/1606.08415.
 */
export const ACTIVATION_FUNCTIONS = [
  'relu',
  'relu6',
  'elu',
  'selu',
  'sigmoid',
  'hard_sigmoid',
  'keras3_hard_sigmoid',
  'tanh',
  'softplus',
  'softsign',
  'swish',
  'gelu',
  'hard_swish',
] as const;
export type ActivationFunction = (typeof ACTIVATION_FUNCTIONS)[number];

/** Shape of a value, without the batch dimension. */
export type Shape = MapShape | VectorShape;
interface MapShape {
  readonly kind: 'map';
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}
interface VectorShape {
  readonly kind: 'vector';
  readonly length: number;
}

/** A layer. Its name is unique in its graph. */
export interface Node<S extends Shape = Shape> {
  readonly name: string;
  readonly operation: Operation;
  readonly inputs: readonly Node[];
  readonly shape: S;
}
export type MapNode = Node<MapShape>;
export type VectorNode = Node<VectorShape>;

/** The input of a layer that reads one map. */
export function mapInput(node: Node): MapNode {
  const [input] = node.inputs;
  if (input?.shape.kind !== 'map') throw new Error(`layer "${node.name}" does not read a map`);
  return input as MapNode;
}

/** RGB pixels in 0..255: the input of every graph. */
export function pixels([height, width]: Pair): MapNode {
  return { name: 'pixels', operation: { kind: 'pixels' }, inputs: [], shape: map(height, width, 3) };
}

/** `(x / 255 - mean) / std`: the only place where pixels are scaled. `mean` and `std` are in units of 255. */
export function normalize(name: string, x: MapNode, mean: readonly number[], std: readonly number[]): MapNode {
  const { channels } = x.shape;
  if (mean.length !== channels || std.length !== channels || std.some((value) => !(value > 0))) {
    fail(name, `needs ${channels} means and ${channels} positive deviations, not [${mean}] and [${std}]`);
  }
  const scale = std.map((value) => 1 / (255 * value));
  const shift = std.map((value, channel) => -(mean[channel] ?? 0) / value);
  return rescale(name, x, scale, shift);
}

/** `x * scale + shift`; all scales must be positive. */
export function rescale<S extends Shape>(
  name: string,
  x: Node<S>,
  scale: readonly number[],
  shift: readonly number[],
): Node<S> {
  const channels = channelsOf(x.shape);
  if (scale.length !== channels || shift.length !== channels || scale.some((value) => !(value > 0))) {
    fail(name, `needs ${channels} positive scales and ${channels} shifts, not [${scale}] and [${shift}]`);
  }
  return { name, operation: { kind: 'normalize', scale, shift }, inputs: [x], shape: x.shape };
}

/** Options of a window; a single number is for both directions. */
export interface WindowOptions {
  /** Default: 1. */
  readonly stride?: number | Pair;
  /** A number or a pair is for opposite sides alike. Default: no padding. */
  readonly padding?: number | Pair | Padding;
}

export interface ConvolutionOptions extends WindowOptions {
  readonly weight: Weight;
  readonly bias?: Weight | undefined;
  /** Groups of channels that are convolved separately; with one per channel it is depthwise. Default: 1. */
  readonly groups?: number;
}

export function conv2d(name: string, x: MapNode, options: ConvolutionOptions): MapNode {
  const { weight, bias, groups = 1 } = options;
  const [out, perGroup, height, width] = weight.shape;
  const { channels } = x.shape;
  if (out === undefined || height === undefined || width === undefined || weight.shape.length !== 4) {
    return fail(name, `weight "${weight.name}" is [${weight.shape}], not [out, in, height, width]`);
  }
  if (perGroup !== channels / groups || out % groups !== 0) {
    fail(
      name,
      `weight "${weight.name}" is [${weight.shape}], which does not fit ${channels} channels in ${groups} group(s)`,
    );
  }
  if (bias !== undefined) expectLength(name, bias, out);
  const window = windowOf([height, width], options);
  return {
    name,
    operation: { kind: 'conv2d', weight, bias, window, groups },
    inputs: [x],
    shape: afterWindow(name, x.shape, window, out),
  };
}

export interface BatchNormOptions {
  readonly scale: Weight;
  readonly shift: Weight;
  readonly mean: Weight;
  readonly variance: Weight;
  readonly epsilon: number;
}

export function batchNorm<S extends Shape>(name: string, x: Node<S>, options: BatchNormOptions): Node<S> {
  const { scale, shift, mean, variance, epsilon } = options;
  for (const weight of [scale, shift, mean, variance]) expectLength(name, weight, channelsOf(x.shape));
  const operation = { kind: 'batch_norm', scale, shift, mean, variance, epsilon } as const;
  return { name, operation, inputs: [x], shape: x.shape };
}

export function activation<S extends Shape>(name: string, x: Node<S>, apply: ActivationFunction): Node<S> {
  return { name, operation: { kind: 'activation', function: apply }, inputs: [x], shape: x.shape };
}

export function leakyRelu<S extends Shape>(name: string, x: Node<S>, slope: number): Node<S> {
  return { name, operation: { kind: 'leaky_relu', slope }, inputs: [x], shape: x.shape };
}

export interface PoolOptions extends WindowOptions {
  readonly kernel: number | Pair;
}

export function maxPool(name: string, x: MapNode, options: PoolOptions): MapNode {
  const window = windowOf(pair(options.kernel), options);
  const shape = afterWindow(name, x.shape, window, x.shape.channels);
  return { name, operation: { kind: 'max_pool', window }, inputs: [x], shape };
}

export function averagePool(name: string, x: MapNode, options: PoolOptions & { countPadding: boolean }): MapNode {
  const window = windowOf(pair(options.kernel), options);
  const shape = afterWindow(name, x.shape, window, x.shape.channels);
  return {
    name,
    operation: { kind: 'average_pool', window, countPadding: options.countPadding },
    inputs: [x],
    shape,
  };
}

/** The mean of each channel, as a vector. */
export function globalAveragePool(name: string, x: MapNode): VectorNode {
  return { name, operation: { kind: 'global_average_pool' }, inputs: [x], shape: vector(x.shape.channels) };
}

export function zeroPad(name: string, x: MapNode, padding: Padding): MapNode {
  const { height, width, channels } = x.shape;
  const shape = map(height + padding.top + padding.bottom, width + padding.left + padding.right, channels);
  return { name, operation: { kind: 'zero_pad', padding }, inputs: [x], shape };
}

export function crop(name: string, x: MapNode, removed: Padding): MapNode {
  const { channels } = x.shape;
  const height = x.shape.height - removed.top - removed.bottom;
  const width = x.shape.width - removed.left - removed.right;
  if (height < 1 || width < 1) fail(name, `nothing of ${describe(x.shape)} is left`);
  return { name, operation: { kind: 'crop', removed }, inputs: [x], shape: map(height, width, channels) };
}

export function add<S extends Shape>(name: string, a: Node<S>, b: Node<S>): Node<S> {
  if (!sameShape(a.shape, b.shape)) fail(name, `cannot add ${describe(a.shape)} and ${describe(b.shape)}`);
  return { name, operation: { kind: 'add' }, inputs: [a, b], shape: a.shape };
}

/** `b` has the shape of `a`, or is a vector with one value for each channel of the map `a`. */
export function multiply<S extends Shape>(name: string, a: Node<S>, b: Node): Node<S> {
  const byChannel = b.shape.kind === 'vector' && b.shape.length === channelsOf(a.shape);
  if (!byChannel && !sameShape(a.shape, b.shape)) {
    fail(name, `cannot multiply ${describe(a.shape)} by ${describe(b.shape)}`);
  }
  return { name, operation: { kind: 'multiply' }, inputs: [a, b], shape: a.shape };
}

export function concat(name: string, parts: readonly MapNode[]): MapNode {
  const [first, ...others] = parts;
  if (first === undefined) return fail(name, 'has no inputs');
  const { height, width } = first.shape;
  const odd = others.find(({ shape }) => shape.height !== height || shape.width !== width);
  if (odd !== undefined) fail(name, `cannot concatenate ${describe(first.shape)} and ${describe(odd.shape)}`);
  const channels = parts.reduce((sum, { shape }) => sum + shape.channels, 0);
  return { name, operation: { kind: 'concat' }, inputs: parts, shape: map(height, width, channels) };
}

/** Concatenates vectors. */
export function join(name: string, parts: readonly VectorNode[]): VectorNode {
  const length = parts.reduce((sum, { shape }) => sum + shape.length, 0);
  return { name, operation: { kind: 'concat' }, inputs: parts, shape: vector(length) };
}

/** Flattens channel by channel, as PyTorch does. */
export function flatten(name: string, x: MapNode): VectorNode {
  const { height, width, channels } = x.shape;
  return { name, operation: { kind: 'flatten' }, inputs: [x], shape: vector(height * width * channels) };
}

export function dense(name: string, x: VectorNode, options: { weight: Weight; bias?: Weight | undefined }): VectorNode {
  const { weight, bias } = options;
  const [out, entering] = weight.shape;
  if (out === undefined || entering !== x.shape.length || weight.shape.length !== 2) {
    return fail(name, `weight "${weight.name}" is [${weight.shape}], not [out, ${x.shape.length}]`);
  }
  if (bias !== undefined) expectLength(name, bias, out);
  return { name, operation: { kind: 'dense', weight, bias }, inputs: [x], shape: vector(out) };
}

export function softmax(name: string, x: VectorNode): VectorNode {
  return { name, operation: { kind: 'softmax' }, inputs: [x], shape: x.shape };
}

export function layerNorm(name: string, x: VectorNode, epsilon: number): VectorNode {
  return { name, operation: { kind: 'layer_norm', epsilon }, inputs: [x], shape: x.shape };
}

export function max(name: string, x: VectorNode): VectorNode {
  return { name, operation: { kind: 'max' }, inputs: [x], shape: vector(1) };
}

function map(height: number, width: number, channels: number): MapShape {
  return { kind: 'map', height, width, channels };
}

function vector(length: number): VectorShape {
  return { kind: 'vector', length };
}

function windowOf(kernel: Pair, { stride = 1, padding = NO_PADDING }: WindowOptions): SlidingWindow {
  const sides = typeof padding === 'object' && 'top' in padding ? padding : symmetricPadding(padding);
  return { kernel, stride: pair(stride), padding: sides };
}

function afterWindow(name: string, shape: MapShape, window: SlidingWindow, channels: number): MapShape {
  const [height, width] = windowOutput([shape.height, shape.width], window);
  if (!(height > 0 && width > 0)) {
    fail(name, `a window of ${window.kernel.join('x')} does not fit into ${describe(shape)}`);
  }
  return map(height, width, channels);
}

function channelsOf(shape: Shape): number {
  return shape.kind === 'map' ? shape.channels : shape.length;
}

function sameShape(a: Shape, b: Shape): boolean {
  if (a.kind === 'vector' || b.kind === 'vector') return a.kind === b.kind && channelsOf(a) === channelsOf(b);
  return a.height === b.height && a.width === b.width && a.channels === b.channels;
}

function expectLength(layer: string, weight: Weight, length: number): void {
  if (weight.shape.length !== 1 || weight.shape[0] !== length) {
    fail(layer, `"${weight.name}" is [${weight.shape}], not [${length}]`);
  }
}

function describe(shape: Shape): string {
  if (shape.kind === 'vector') return `a vector of ${shape.length}`;
  return `${shape.height}x${shape.width} of ${shape.channels} channels`;
}

function fail(layer: string, problem: string): never {
  throw new ConversionError(`layer "${layer}": ${problem}`);
}
