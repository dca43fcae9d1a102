import { writeFile } from 'node:fs/promises';
import { stream } from '../../../scripts/generated-tensors.ts';
import { encode } from '../../../src/common/protobuf.ts';
import { elementCount } from '../../../src/common/tensor.ts';
import {
  modelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../../src/convert/formats/onnx/proto.ts';

/** Describes a foreign model. The defaults are what most exporters write. */
export interface ForeignModel {
  readonly nodes: readonly NodeProto[];
  readonly tensors?: readonly TensorProto[];
  /** Default: `image`, float32 `[1, 3, 8, 8]`. */
  readonly inputs?: readonly ValueInfoProto[];
  /** Names of the outputs. */
  readonly outputs: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly opset?: number;
  readonly irVersion?: number;
}

export async function writeForeign(path: string, model: ForeignModel): Promise<string> {
  const {
    nodes,
    tensors = [],
    inputs = [value('image', [1, 3, 8, 8])],
    outputs,
    metadata = {},
    opset = 13,
    irVersion = 7,
  } = model;
  const graph = {
    name: 'theirs',
    nodes,
    initializers: tensors,
    inputs,
    outputs: outputs.map((name) => value(name, [])),
  };
  await writeFile(
    path,
    encode(modelProto, {
      irVersion,
      producer: 'another',
      operatorSets: [{ version: opset }, { domain: 'ai.onnx.ml', version: 2 }],
      metadata: Object.entries(metadata).map(([key, value]) => ({ key, value })),
      graph,
    }),
  );
  return path;
}

/** An input or output. Sizes of 0 are dynamic. */
export function value(name: string, sizes: readonly number[], elementType = 1): ValueInfoProto {
  if (sizes.length === 0) return { name, type: { tensor: { elementType } } };
  const dims = sizes.map((size, index) => (size === 0 ? { parameter: `size${index}` } : { value: size }));
  return { name, type: { tensor: { elementType, shape: { dims } } } };
}

type Attribute = number | readonly number[] | { readonly float: number };

export function node(
  operator: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, Attribute>> = {},
): NodeProto {
  return {
    name: output,
    operator,
    inputs,
    outputs: [output],
    attributes: Object.entries(attributes).map(([name, given]) => {
      if (typeof given === 'number') return { name, type: 2, integer: given };
      return 'float' in given ? { name, type: 1, float: given.float } : { name, type: 7, integers: given };
    }),
  };
}

/** Weights in -0.5..0.5 that follow from their name. */
export function weights(name: string, dims: readonly number[]): TensorProto {
  const values = stream(name, elementCount(dims), -0.5, 0.5);
  return { name, dims, dataType: 1, rawData: bytes(values) };
}

export function floats(name: string, dims: readonly number[], values: readonly number[]): TensorProto {
  return { name, dims, dataType: 1, floatData: values };
}

export function integers(name: string, values: readonly number[]): TensorProto {
  return { name, dims: [values.length], dataType: 7, int64Data: values };
}

function bytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/**
 * A small classifier of three classes with a fixed batch size of one, as exported from PyTorch: convolution, relu,
 * mean, a Reshape to `[1, 4]`, dense layer.
 */
export function smallClassifier({
  softmax = false,
  reshape = [1, 4],
}: {
  softmax?: boolean;
  reshape?: readonly number[];
} = {}): ForeignModel {
  return {
    nodes: [
      node('Conv', ['image', 'conv.weight', 'conv.bias'], 'conv', { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
      node('Relu', ['conv'], 'relu'),
      node('GlobalAveragePool', ['relu'], 'pool'),
      node('Reshape', ['pool', 'target'], 'flat'),
      node('Gemm', ['flat', 'fc.weight', 'fc.bias'], 'logits', { transB: 1 }),
      ...(softmax ? [node('Softmax', ['logits'], 'scores', { axis: 1 })] : []),
    ],
    tensors: [
      weights('conv.weight', [4, 3, 3, 3]),
      weights('conv.bias', [4]),
      weights('fc.weight', [3, 4]),
      weights('fc.bias', [3]),
      integers('target', reshape),
    ],
    outputs: [softmax ? 'scores' : 'logits'],
  };
}
