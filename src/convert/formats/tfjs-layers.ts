import { ConversionError } from '../conversion-error.ts';
import { mapInput, type Node, type Operation, type Shape } from '../ir.ts';
import type { Weight } from '../tensors.ts';
import { NO_PADDING, type Padding, type Pair, paddingEquals, samePadding, type Window } from '../windows.ts';
import { convolutionKernel, depthwiseKernel, transpose } from './tfjs-kernels.ts';

/** A layer of a Keras functional model. Its weights are called `<name>/<weight>`. */
export interface KerasLayer {
  readonly name: string;
  readonly className: string;
  /** Keras's own options, without name and type. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly inputs: readonly string[];
  readonly weights: readonly Weight[];
}

/** Where a layer stands in its model. */
export interface Place {
  readonly name: string;
  readonly inputs: readonly string[];
  /** Whether the layer applies the relu that follows it. */
  readonly relu: boolean;
}

/**
 * One layer of the graph in Keras layers, of which the last has the place's name. Maps are
 * `[n, height, width, channels]`.
 *
 * @throws ConversionError when Keras layers cannot express it
 */
export function emitLayers(node: Node, place: Place): KerasLayer[] {
  const { operation } = node;
  const layer = (className: string, config: KerasLayer['config'] = {}, weights: KerasLayer['weights'] = []) => [
    { ...place, className, config, weights },
  ];
  switch (operation.kind) {
    case 'pixels':
      return layer('InputLayer', { batch_input_shape: [null, ...sizes(node.shape)], sparse: false });
    case 'normalize':
      return [normalization(place, operation)];
    case 'conv2d':
      return convolution(node, place, operation);
    case 'batch_norm':
      return [batchNormalization(node, place, operation)];
    case 'activation':
      return layer('Activation', { activation: operation.function });
    case 'max_pool':
      return maxPooling(node, place, operation.window);
    case 'average_pool':
      return averagePooling(node, place, operation);
    case 'global_average_pool':
      return layer('GlobalAveragePooling2D', CHANNELS_LAST);
    case 'zero_pad':
      return [zeroPadding(place.name, place.inputs, operation.padding)];
    case 'add':
      return layer('Add');
    case 'concat':
      return layer('Concatenate', { axis: -1 });
    case 'flatten':
      return flattening(node, place);
    case 'dense':
      return [denseLayer(place, operation)];
    case 'softmax':
      return layer('Activation', { activation: 'softmax' });
  }
}

/** Whether a layer can apply the relu behind it itself, which TF.js then computes in one pass. */
export function absorbsRelu(node: Node): boolean {
  const { operation } = node;
  return operation.kind === 'dense' || (operation.kind === 'conv2d' && !isDepthwise(node, operation));
}

type Convolution = Extract<Operation, { kind: 'conv2d' }>;
type Of<K extends Operation['kind']> = Extract<Operation, { kind: K }>;

const CHANNELS_LAST = { data_format: 'channels_last' };

/** Scaling by channel is a batch norm with nothing learnt: `(x - mean) / sqrt(variance)`. */
function normalization(place: Place, { scale, shift }: Of<'normalize'>): KerasLayer {
  const mean = scale.map((factor, channel) => -(shift[channel] ?? 0) / factor);
  const variance = scale.map((factor) => 1 / factor ** 2);
  return {
    ...place,
    className: 'BatchNormalization',
    config: { axis: 3, epsilon: 0, center: false, scale: false },
    weights: [constant(`${place.name}/moving_mean`, mean), constant(`${place.name}/moving_variance`, variance)],
  };
}

function batchNormalization(node: Node, place: Place, operation: Of<'batch_norm'>): KerasLayer {
  const { scale, shift, mean, variance, epsilon } = operation;
  return {
    ...place,
    className: 'BatchNormalization',
    config: { axis: node.shape.kind === 'map' ? 3 : 1, epsilon, center: true, scale: true },
    weights: [
      { ...scale, name: `${place.name}/gamma` },
      { ...shift, name: `${place.name}/beta` },
      { ...mean, name: `${place.name}/moving_mean` },
      { ...variance, name: `${place.name}/moving_variance` },
    ],
  };
}

function convolution(node: Node, place: Place, operation: Convolution): KerasLayer[] {
  const { window, bias } = operation;
  const { padding, before, inputs } = paddedInput(node, place, window);
  const depthwise = isDepthwise(node, operation);
  const kernel = depthwise
    ? depthwiseWeight(node, place.name, operation)
    : convolutionWeight(node, place.name, operation);
  const widths = depthwise ? { depth_multiplier: kernel.shape[3] } : { filters: kernel.shape[3] };
  const layer: KerasLayer = {
    name: place.name,
    className: depthwise ? 'DepthwiseConv2D' : 'Conv2D',
    config: {
      ...widths,
      kernel_size: window.kernel,
      strides: window.stride,
      padding,
      ...CHANNELS_LAST,
      dilation_rate: [1, 1],
      activation: place.relu ? 'relu' : 'linear',
      use_bias: bias !== undefined,
    },
    inputs,
    weights: withBias(place.name, kernel, bias),
  };
  return [...before, layer];
}

function isDepthwise(node: Node, { groups }: Convolution): boolean {
  return groups > 1 && groups === mapInput(node).shape.channels;
}

function convolutionWeight(node: Node, layer: string, { weight, groups, window }: Convolution): Weight {
  const [out = 0] = weight.shape;
  return {
    name: `${layer}/kernel`,
    shape: [...window.kernel, mapInput(node).shape.channels, out],
    read: async () => convolutionKernel(await weight.read(), weight.shape, groups),
  };
}

function depthwiseWeight(node: Node, layer: string, { weight, window }: Convolution): Weight {
  const [out = 0] = weight.shape;
  const { channels } = mapInput(node).shape;
  return {
    name: `${layer}/depthwise_kernel`,
    shape: [...window.kernel, channels, out / channels],
    read: async () => depthwiseKernel(await weight.read(), weight.shape),
  };
}

function denseLayer(place: Place, { weight, bias }: Of<'dense'>): KerasLayer {
  const [out = 0, entering = 0] = weight.shape;
  const kernel: Weight = {
    name: `${place.name}/kernel`,
    shape: [entering, out],
    read: async () => transpose(await weight.read(), out, entering),
  };
  return {
    ...place,
    className: 'Dense',
    config: { units: out, activation: place.relu ? 'relu' : 'linear', use_bias: bias !== undefined },
    weights: withBias(place.name, kernel, bias),
  };
}

/**
 * Zeros around the map stand for minus infinity where nothing is below zero. Elsewhere a symmetric window of stride s
 * is one of stride 1, whose `same` padding never wins, and then every s-th of its outputs.
 */
function maxPooling(node: Node, place: Place, window: Window): KerasLayer[] {
  const { kernel, stride, padding } = window;
  const size = inputSize(node);
  const pool = (name: string, inputs: readonly string[], pooled: Pair, strides: Pair, mode: string): KerasLayer => ({
    name,
    className: 'MaxPooling2D',
    config: { pool_size: pooled, strides, padding: mode, ...CHANNELS_LAST },
    inputs,
    weights: [],
  });
  const mode = paddingMode(size, window);
  if (mode === undefined && !isNonNegative(mapInput(node))) {
    if (!paddingEquals(padding, samePadding(size, kernel, [1, 1]))) throw inexpressible(node, 'max pool');
    const every = `${place.name}.every`;
    return [pool(every, place.inputs, kernel, [1, 1], 'same'), pool(place.name, [every], [1, 1], stride, 'valid')];
  }
  const padded = paddedInput(node, place, window);
  return [...padded.before, pool(place.name, padded.inputs, kernel, stride, padded.padding)];
}

/** Keras never counts padding, so padding that counts is a layer of zeros. */
function averagePooling(node: Node, place: Place, { window, countPadding }: Of<'average_pool'>): KerasLayer[] {
  const { kernel, stride, padding } = window;
  const counted = countPadding && !paddingEquals(padding, NO_PADDING);
  const mode = paddingMode(inputSize(node), window);
  if (!countPadding && mode === undefined) throw inexpressible(node, 'average pool');
  const zeros = counted ? [zeroPadding(`${place.name}.pad`, place.inputs, padding)] : [];
  return [
    ...zeros,
    {
      name: place.name,
      className: 'AveragePooling2D',
      config: { pool_size: kernel, strides: stride, padding: counted ? 'valid' : mode, ...CHANNELS_LAST },
      inputs: counted ? [`${place.name}.pad`] : place.inputs,
      weights: [],
    },
  ];
}

/** PyTorch flattens channel by channel, Keras pixel by pixel: the channels go to the front first. */
function flattening(node: Node, place: Place): KerasLayer[] {
  const flat = { className: 'Flatten', config: CHANNELS_LAST, weights: [] };
  const [height, width] = inputSize(node);
  if (height === 1 && width === 1) return [{ ...place, ...flat }];
  const first = `${place.name}.channels_first`;
  return [
    { name: first, className: 'Permute', config: { dims: [3, 1, 2] }, inputs: place.inputs, weights: [] },
    { name: place.name, ...flat, inputs: [first] },
  ];
}

function zeroPadding(name: string, inputs: readonly string[], { top, bottom, left, right }: Padding): KerasLayer {
  const padding = [
    [top, bottom],
    [left, right],
  ];
  return { name, className: 'ZeroPadding2D', config: { padding, ...CHANNELS_LAST }, inputs, weights: [] };
}

/** A window's padding by its Keras name, where it has one. */
function paddingMode(size: Pair, { kernel, stride, padding }: Window): 'valid' | 'same' | undefined {
  if (paddingEquals(padding, NO_PADDING)) return 'valid';
  return paddingEquals(padding, samePadding(size, kernel, stride)) ? 'same' : undefined;
}

/** Padding that has no Keras name is a layer of zeros before a `valid` window. */
function paddedInput(node: Node, { name, inputs }: Place, window: Window) {
  const mode = paddingMode(inputSize(node), window);
  if (mode !== undefined) return { padding: mode, before: [], inputs };
  const before = [zeroPadding(`${name}.pad`, inputs, window.padding)];
  return { padding: 'valid' as const, before, inputs: [`${name}.pad`] };
}

/** Whether no value can be below zero, as far as the layers say. */
function isNonNegative({ operation, inputs }: Node): boolean {
  switch (operation.kind) {
    case 'activation':
    case 'softmax':
      return true;
    case 'max_pool':
    case 'average_pool':
    case 'zero_pad':
    case 'concat':
    case 'add':
      return inputs.every(isNonNegative);
    default:
      return false;
  }
}

function withBias(layer: string, kernel: Weight, bias: Weight | undefined): Weight[] {
  return bias === undefined ? [kernel] : [kernel, { ...bias, name: `${layer}/bias` }];
}

function constant(name: string, values: readonly number[]): Weight {
  return { name, shape: [values.length], read: async () => Float32Array.from(values) };
}

function inputSize(node: Node): Pair {
  const { height, width } = mapInput(node).shape;
  return [height, width];
}

function sizes(shape: Shape): number[] {
  return shape.kind === 'map' ? [shape.height, shape.width, shape.channels] : [shape.length];
}

function inexpressible({ name }: Node, what: string): ConversionError {
  return new ConversionError(`layer "${name}": a TF.js layers model has no ${what} of this padding`);
}
