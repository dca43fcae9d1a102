import type { ActivationFunction, Node, OperationOf } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import type { Padding, SlidingWindow } from '../../graph/windows.ts';
import { bytesOf } from '../file-sink.ts';
import {
  ATTRIBUTE_TYPE,
  type AttributeProto,
  DATA_TYPE,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './proto.ts';

/** A constant that is computed here, not read from a weights file. */
export interface OnnxConstant {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | BigInt64Array;
}

/** The nodes of one layer, in order, and the weights and constants that they read. */
export interface Emission {
  readonly nodes: readonly NodeProto[];
  readonly weights?: readonly Weight[];
  readonly constants?: readonly OnnxConstant[];
}

/** Names of the inputs and of the output of a layer. */
export interface ValueNames {
  readonly inputs: readonly string[];
  readonly output: string;
}

/** Permutations between `[n, height, width, channels]` and ONNX's `[n, channels, height, width]`. */
export const TO_CHANNELS_FIRST = [0, 3, 1, 2];
export const TO_CHANNELS_LAST = [0, 2, 3, 1];

/** Emits one layer in operators of opset 17. Maps are `[n, channels, height, width]`. */
export function emitNode(node: Node, values: ValueNames, pixelType: 'uint8' | 'float32'): Emission {
  const { operation, name } = node;
  const single = (operator: string, attributes: NodeAttributes = {}, weights: readonly Weight[] = []): Emission => ({
    nodes: [
      nodeProto(name, operator, [...values.inputs, ...weights.map((weight) => weight.name)], values.output, attributes),
    ],
    weights,
  });
  switch (operation.kind) {
    case 'pixels':
      return emitPixels(name, values.output, pixelType);
    case 'normalize':
      return emitNormalize(node, values, operation);
    case 'conv2d': {
      const { weight, bias, window, groups } = operation;
      return single('Conv', { ...windowAttributes(window), group: groups }, present(weight, bias));
    }
    case 'batch_norm': {
      const { scale, shift, mean, variance, epsilon } = operation;
      return single('BatchNormalization', { epsilon: { float: epsilon } }, [scale, shift, mean, variance]);
    }
    case 'activation':
      return emitActivation(name, values, operation.function);
    case 'leaky_relu':
      return single('LeakyRelu', { alpha: { float: operation.slope } });
    case 'max_pool':
      return single('MaxPool', windowAttributes(operation.window));
    case 'average_pool':
      return single('AveragePool', {
        ...windowAttributes(operation.window),
        count_include_pad: operation.countPadding ? 1 : 0,
      });
    case 'global_average_pool':
      return {
        nodes: [
          nodeProto(name, 'GlobalAveragePool', values.inputs, `${name}:map`),
          nodeProto(`${name}:flatten`, 'Flatten', [`${name}:map`], values.output, { axis: 1 }),
        ],
      };
    case 'zero_pad':
      return emitZeroPad(name, values, operation.padding);
    case 'crop':
      return emitCrop(node, values, operation.removed);
    case 'multiply':
      return emitMultiply(node, values);
    case 'add':
      return single('Add');
    case 'concat':
      return single('Concat', { axis: 1 });
    case 'flatten':
      return single('Flatten', { axis: 1 });
    case 'dense':
      return single('Gemm', { transB: 1 }, present(operation.weight, operation.bias));
    case 'softmax':
      return single('Softmax', { axis: 1 });
    case 'layer_norm':
      return emitLayerNorm(node, values, operation.epsilon);
    case 'max':
      return single('ReduceMax', { axes: [1], keepdims: 1 });
  }
}

/** Emits a map as an output of the model, `[n, height, width, channels]`. */
export function emitChannelsLast(value: string, output: string): NodeProto {
  return nodeProto(output, 'Transpose', [value], output, { perm: TO_CHANNELS_LAST });
}

/** Transposes before the cast, since bytes are a quarter of the size of floats. */
function emitPixels(name: string, output: string, pixelType: 'uint8' | 'float32'): Emission {
  const perm = { perm: TO_CHANNELS_FIRST };
  if (pixelType === 'float32') return { nodes: [nodeProto(name, 'Transpose', [name], output, perm)] };
  return {
    nodes: [
      nodeProto(name, 'Transpose', [name], `${name}:bytes`, perm),
      nodeProto(`${name}:cast`, 'Cast', [`${name}:bytes`], output, { to: DATA_TYPE.float }),
    ],
  };
}

function emitNormalize(
  { name, shape: { kind } }: Node,
  { inputs, output }: ValueNames,
  { scale, shift }: OperationOf<'normalize'>,
): Emission {
  const shape = kind === 'map' ? [scale.length, 1, 1] : [scale.length];
  return {
    nodes: [
      nodeProto(`${name}:scale`, 'Mul', [...inputs, `${name}.scale`], `${name}:scaled`),
      nodeProto(name, 'Add', [`${name}:scaled`, `${name}.shift`], output),
    ],
    constants: [
      { name: `${name}.scale`, shape, values: Float32Array.from(scale) },
      { name: `${name}.shift`, shape, values: Float32Array.from(shift) },
    ],
  };
}

/** Functions for which ONNX has one operator whose default attributes fit. */
const ACTIVATION_OPERATORS = {
  relu: 'Relu',
  elu: 'Elu',
  selu: 'Selu',
  sigmoid: 'Sigmoid',
  hard_sigmoid: 'HardSigmoid',
  hard_swish: 'HardSwish',
  tanh: 'Tanh',
  softplus: 'Softplus',
  softsign: 'Softsign',
} as const satisfies Partial<Record<ActivationFunction, string>>;

function emitActivation(name: string, { inputs, output }: ValueNames, apply: ActivationFunction): Emission {
  if (apply === 'gelu') return emitGelu(name, { inputs, output });
  if (apply === 'relu6') {
    const bounds = [`${name}.min`, `${name}.max`];
    return {
      nodes: [nodeProto(name, 'Clip', [...inputs, ...bounds], output)],
      constants: bounds.map((bound, index) => ({ name: bound, shape: [], values: Float32Array.of(6 * index) })),
    };
  }
  if (apply === 'swish') {
    const gate = `${name}:gate`;
    return { nodes: [nodeProto(gate, 'Sigmoid', inputs, gate), nodeProto(name, 'Mul', [...inputs, gate], output)] };
  }
  if (apply === 'keras3_hard_sigmoid') {
    return { nodes: [nodeProto(name, 'HardSigmoid', inputs, output, { alpha: { float: 1 / 6 } })] };
  }
  return { nodes: [nodeProto(name, ACTIVATION_OPERATORS[apply], inputs, output)] };
}

/** `x * (erf(x / sqrt(2)) / 2 + 1 / 2)` */
function emitGelu(name: string, { inputs, output }: ValueNames): Emission {
  const constant = (suffix: string, value: number) => {
    return { name: `${name}.${suffix}`, shape: [], values: Float32Array.of(value) };
  };
  const [root, half] = [constant('root', Math.SQRT1_2), constant('half', 0.5)];
  const [scaled, share, shrunk, gate] = ['scaled', 'erf', 'shrunk', 'gate'].map((suffix) => `${name}:${suffix}`) as [
    string,
    string,
    string,
    string,
  ];
  return {
    nodes: [
      nodeProto(scaled, 'Mul', [...inputs, root.name], scaled),
      nodeProto(share, 'Erf', [scaled], share),
      nodeProto(shrunk, 'Mul', [share, half.name], shrunk),
      nodeProto(gate, 'Add', [shrunk, half.name], gate),
      nodeProto(name, 'Mul', [...inputs, gate], output),
    ],
    constants: [root, half],
  };
}

/**
 * The smallest normal float32, used instead of zero: ONNX Runtime merges a pad of zeros into the padding of a
 * following max pool, which counts as minus infinity.
 */
const ALMOST_ZERO = 2 ** -126;

function emitZeroPad(name: string, { inputs, output }: ValueNames, padding: Padding): Emission {
  const { top, left, bottom, right } = padding;
  const pads = BigInt64Array.from([0, 0, top, left, 0, 0, bottom, right], BigInt);
  return {
    nodes: [nodeProto(name, 'Pad', [...inputs, `${name}.pads`, `${name}.value`], output)],
    constants: [
      { name: `${name}.pads`, shape: [8], values: pads },
      { name: `${name}.value`, shape: [], values: Float32Array.of(ALMOST_ZERO) },
    ],
  };
}

/** ONNX requires a scale. */
function emitLayerNorm({ name, shape }: Node, { inputs, output }: ValueNames, epsilon: number): Emission {
  const length = shape.kind === 'vector' ? shape.length : shape.channels;
  const scale = { name: `${name}.scale`, shape: [length], values: new Float32Array(length).fill(1) };
  const attributes = { axis: 1, epsilon: { float: epsilon } };
  return {
    nodes: [nodeProto(name, 'LayerNormalization', [...inputs, scale.name], output, attributes)],
    constants: [scale],
  };
}

function emitCrop({ name, shape }: Node, { inputs, output }: ValueNames, { top, left }: Padding): Emission {
  const [height, width] = shape.kind === 'map' ? [shape.height, shape.width] : [1, 1];
  const bounds = { starts: [top, left], ends: [top + height, left + width], axes: [2, 3] };
  const constants = Object.entries(bounds).map(([bound, values]) => ({
    name: `${name}.${bound}`,
    shape: [2],
    values: BigInt64Array.from(values, BigInt),
  }));
  return { nodes: [nodeProto(name, 'Slice', [...inputs, ...constants.map((each) => each.name)], output)], constants };
}

/** A vector becomes a map of one cell, so that it is broadcast over the cells of the other map. */
function emitMultiply({ name, shape, inputs: [, by] }: Node, { inputs, output }: ValueNames): Emission {
  if (by?.shape.kind === shape.kind) return { nodes: [nodeProto(name, 'Mul', inputs, output)] };
  const [map = '', vector = ''] = inputs;
  return {
    nodes: [
      nodeProto(`${name}:channels`, 'Unsqueeze', [vector, `${name}.axes`], `${name}:channels`),
      nodeProto(name, 'Mul', [map, `${name}:channels`], output),
    ],
    constants: [{ name: `${name}.axes`, shape: [2], values: BigInt64Array.of(2n, 3n) }],
  };
}

/** A constant as an initializer. */
export function constantTensor({ name, shape, values }: OnnxConstant): TensorProto {
  const dataType = values instanceof Float32Array ? DATA_TYPE.float : DATA_TYPE.int64;
  return { name, dims: shape, dataType, rawData: bytesOf(values) };
}

/**
 * An input or output of a model.
 *
 * @param sizes the shape without the batch dimension
 * @param batch any size when absent
 */
export function valueInfo(name: string, sizes: readonly number[], elementType: number, batch?: number): ValueInfoProto {
  const first = batch === undefined ? { parameter: 'batch' } : { value: batch };
  const dims = [first, ...sizes.map((value) => ({ value }))];
  return { name, type: { tensor: { elementType, shape: { dims } } } };
}

/** NodeAttributes of a node: integers, lists of integers, or floats. */
export type NodeAttributes = Readonly<Record<string, number | readonly number[] | { readonly float: number }>>;

/** A node with one output. */
export function nodeProto(
  name: string,
  operator: string,
  inputs: readonly string[],
  output: string,
  attributes: NodeAttributes = {},
): NodeProto {
  return { name, operator, inputs, outputs: [output], attributes: Object.entries(attributes).map(attributeProto) };
}

function attributeProto([name, value]: [string, NodeAttributes[string]]): AttributeProto {
  if (typeof value === 'number') return { name, type: ATTRIBUTE_TYPE.integer, integer: value };
  if ('float' in value) return { name, type: ATTRIBUTE_TYPE.float, float: value.float };
  return { name, type: ATTRIBUTE_TYPE.integers, integers: value };
}

function windowAttributes({ kernel, stride, padding }: SlidingWindow): NodeAttributes {
  const { top, left, bottom, right } = padding;
  return { kernel_shape: kernel, strides: stride, pads: [top, left, bottom, right] };
}

function present(weight: Weight, bias: Weight | undefined): Weight[] {
  return bias === undefined ? [weight] : [weight, bias];
}
