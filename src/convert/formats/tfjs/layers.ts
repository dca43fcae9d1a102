import { mapInput, type Node, type OperationOf, type Shape } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { activationLayers, batchNormalization, multiplication, normalization } from './elementwise.ts';
import type { KerasLayer, LayerPosition } from './keras-layer.ts';
import { convolutionKernel, depthwiseKernel, transpose } from './kernels.ts';
import { averagePooling, CHANNELS_LAST, inputSize, maxPooling, paddedInput, zeroPadding } from './windows.ts';

/**
 * Emits one layer of the graph as Keras layers, of which the last has the name of the position. Maps are
 * `[n, height, width, channels]`.
 *
 * @throws ConversionError when the layer has no equivalent in Keras layers
 */
export function emitLayers(node: Node, position: LayerPosition): KerasLayer[] {
  const { operation } = node;
  const layer = (className: string, config: KerasLayer['config'] = {}, weights: KerasLayer['weights'] = []) => [
    { ...position, className, config, weights },
  ];
  switch (operation.kind) {
    case 'pixels':
      return layer('InputLayer', { batch_input_shape: [null, ...sizes(node.shape)], sparse: false });
    case 'normalize':
      return [normalization(node, position, operation)];
    case 'conv2d':
      return convolution(node, position, operation);
    case 'batch_norm':
      return [batchNormalization(node, position, operation)];
    case 'activation':
      return activationLayers(node, position, operation.function);
    case 'leaky_relu':
      return layer('LeakyReLU', { alpha: operation.slope });
    case 'max_pool':
      return maxPooling(node, position, operation.window);
    case 'average_pool':
      return averagePooling(node, position, operation);
    case 'global_average_pool':
      return layer('GlobalAveragePooling2D', CHANNELS_LAST);
    case 'zero_pad':
      return [zeroPadding(position.name, position.inputs, operation.padding)];
    case 'crop': {
      const { top, bottom, left, right } = operation.removed;
      const cropping = [
        [top, bottom],
        [left, right],
      ];
      return layer('Cropping2D', { cropping, ...CHANNELS_LAST });
    }
    case 'add':
      return layer('Add');
    case 'multiply':
      return multiplication(node, position);
    case 'concat':
      return layer('Concatenate', { axis: -1 });
    case 'flatten':
      return flattening(node, position);
    case 'dense':
      return [denseLayer(position, operation)];
    case 'softmax':
      return layer('Activation', { activation: 'softmax' });
    case 'layer_norm':
      return layer('LayerNormalization', { axis: [1], epsilon: operation.epsilon, center: false, scale: false });
    case 'max':
      return maximum(node, position);
  }
}

/** Whether a layer can apply the relu that follows it; TF.js then computes both in one pass. */
export function absorbsRelu(node: Node): boolean {
  const { operation } = node;
  return operation.kind === 'dense' || (operation.kind === 'conv2d' && !isDepthwise(node, operation));
}

function convolution(node: Node, position: LayerPosition, operation: OperationOf<'conv2d'>): KerasLayer[] {
  const { window, bias } = operation;
  const { padding, before, inputs } = paddedInput(node, position, window);
  const depthwise = isDepthwise(node, operation);
  const kernel = depthwise
    ? depthwiseWeight(node, position.name, operation)
    : convolutionWeight(node, position.name, operation);
  const widths = depthwise ? { depth_multiplier: kernel.shape[3] } : { filters: kernel.shape[3] };
  const layer: KerasLayer = {
    name: position.name,
    className: depthwise ? 'DepthwiseConv2D' : 'Conv2D',
    config: {
      ...widths,
      kernel_size: window.kernel,
      strides: window.stride,
      padding,
      ...CHANNELS_LAST,
      dilation_rate: [1, 1],
      activation: position.relu ? 'relu' : 'linear',
      use_bias: bias !== undefined,
    },
    inputs,
    weights: withBias(position.name, kernel, bias),
  };
  return [...before, layer];
}

function isDepthwise(node: Node, { groups }: OperationOf<'conv2d'>): boolean {
  return groups > 1 && groups === mapInput(node).shape.channels;
}

function convolutionWeight(node: Node, layer: string, { weight, groups, window }: OperationOf<'conv2d'>): Weight {
  const [out = 0] = weight.shape;
  return {
    name: `${layer}/kernel`,
    shape: [...window.kernel, mapInput(node).shape.channels, out],
    read: async () => convolutionKernel(await weight.read(), weight.shape, groups),
  };
}

function depthwiseWeight(node: Node, layer: string, { weight, window }: OperationOf<'conv2d'>): Weight {
  const [out = 0] = weight.shape;
  const { channels } = mapInput(node).shape;
  return {
    name: `${layer}/depthwise_kernel`,
    shape: [...window.kernel, channels, out / channels],
    read: async () => depthwiseKernel(await weight.read(), weight.shape),
  };
}

function denseLayer(position: LayerPosition, { weight, bias }: OperationOf<'dense'>): KerasLayer {
  const [out = 0, entering = 0] = weight.shape;
  const kernel: Weight = {
    name: `${position.name}/kernel`,
    shape: [entering, out],
    read: async () => transpose(await weight.read(), out, entering),
  };
  return {
    ...position,
    className: 'Dense',
    config: { units: out, activation: position.relu ? 'relu' : 'linear', use_bias: bias !== undefined },
    weights: withBias(position.name, kernel, bias),
  };
}

/** PyTorch flattens channel by channel and Keras pixel by pixel, so the map is transposed before it is flattened. */
function flattening(node: Node, position: LayerPosition): KerasLayer[] {
  const flat = { className: 'Flatten', config: CHANNELS_LAST, weights: [] };
  const [height, width] = inputSize(node);
  if (height === 1 && width === 1) return [{ ...position, ...flat }];
  const first = `${position.name}.channels_first`;
  return [
    { name: first, className: 'Permute', config: { dims: [3, 1, 2] }, inputs: position.inputs, weights: [] },
    { name: position.name, ...flat, inputs: [first] },
  ];
}

/** Keras has no layer for the maximum of a vector: the values become steps of a sequence, over which it pools. */
function maximum(node: Node, { name, inputs }: LayerPosition): KerasLayer[] {
  const sequence = `${name}.sequence`;
  const [length = 0] = node.inputs.flatMap(({ shape }) => sizes(shape));
  return [
    { name: sequence, className: 'Reshape', config: { target_shape: [length, 1] }, inputs, weights: [] },
    { name, className: 'GlobalMaxPooling1D', config: {}, inputs: [sequence], weights: [] },
  ];
}

function withBias(layer: string, kernel: Weight, bias: Weight | undefined): Weight[] {
  return bias === undefined ? [kernel] : [kernel, { ...bias, name: `${layer}/bias` }];
}

function sizes(shape: Shape): number[] {
  return shape.kind === 'map' ? [shape.height, shape.width, shape.channels] : [shape.length];
}
