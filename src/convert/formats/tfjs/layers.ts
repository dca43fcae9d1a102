import { mapInput, type Node, type Operation, type Shape } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { CHANNELS_LAST, type KerasLayer, type Place } from './keras-layer.ts';
import { convolutionKernel, depthwiseKernel, transpose } from './kernels.ts';
import { averagePooling, inputSize, maxPooling, paddedInput, zeroPadding } from './windows.ts';

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
    case 'leaky_relu':
      return layer('LeakyReLU', { alpha: operation.slope });
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

function withBias(layer: string, kernel: Weight, bias: Weight | undefined): Weight[] {
  return bias === undefined ? [kernel] : [kernel, { ...bias, name: `${layer}/bias` }];
}

function constant(name: string, values: readonly number[]): Weight {
  return { name, shape: [values.length], read: async () => Float32Array.from(values) };
}

function sizes(shape: Shape): number[] {
  return shape.kind === 'map' ? [shape.height, shape.width, shape.channels] : [shape.length];
}
