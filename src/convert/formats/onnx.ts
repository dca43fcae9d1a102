import { basename } from 'node:path';
import type { Graph, GraphOutputs } from '../graph.ts';
import type { Node, Shape } from '../ir.ts';
import { byteLength, progressOver, type Weight } from '../tensors.ts';
import { bytesOf, type FileSink, type WrittenFile, writeFileThrough } from './file-sink.ts';
import { type Constant, emitChannelsLast, emitNode } from './onnx-nodes.ts';
import {
  DATA_LOCATION,
  DATA_TYPE,
  encode,
  fieldHead,
  type GraphProto,
  graphProto,
  modelProto,
  type NodeProto,
  type TensorProto,
  tensorProto,
  type ValueInfoProto,
} from './onnx-proto.ts';

/** Opset 17 of 2022, with the IR version of its time: every runtime since reads it. */
const OPSET = 17;
const IR_VERSION = 8;
/** A protobuf message ends at 2 GiB; weights beyond this lie in a file of their own. */
const EXTERNAL_ABOVE_BYTES = 1.9e9;

export interface OnnxOptions {
  /** Type of the input `pixels`: bytes, unless a test feeds values of its own. */
  readonly pixelType?: 'uint8' | 'float32';
  /** Weights larger than this in all go to `<path>.data`; 1.9 GB when absent. */
  readonly externalAboveBytes?: number;
  /** Called with the share of the weights that is written, 0..1. */
  readonly onProgress?: (fraction: number) => void;
}

/**
 * Writes a graph as an ONNX model: input `pixels` `[n, height, width, 3]`; outputs `probabilities`, `logits` and
 * `features` `[n, k]` and `activations` `[n, height, width, channels]`. Weights are read, written and dropped one by one.
 *
 * @returns the files: the model, and `<path>.data` if it is that large
 */
export async function writeOnnx(graph: Graph, path: string, options: OnnxOptions = {}): Promise<WrittenFile[]> {
  const { externalAboveBytes = EXTERNAL_ABOVE_BYTES, onProgress = () => {} } = options;
  const { proto, weights } = describe(graph, options.pixelType ?? 'uint8');
  const onWritten = progressOver(weights, onProgress);
  const total = weights.reduce((sum, weight) => sum + byteLength(weight), 0);
  if (total <= externalAboveBytes) return [await writeWhole(path, proto, weights, onWritten)];
  const dataPath = `${path}.data`;
  const data = await writeFileThrough(dataPath, (sink) => writeWeights(sink, weights, onWritten));
  const initializers = [...(proto.initializers ?? []), ...externalTensors(weights, basename(dataPath))];
  return [await writeWhole(path, { ...proto, initializers }, [], onWritten), data];
}

/** The graph without its weights, and these in the order in which they are used. */
function describe(graph: Graph, pixelType: 'uint8' | 'float32'): { proto: GraphProto; weights: Weight[] } {
  const nameOf = valueNames(graph.outputs);
  const nodes: NodeProto[] = [];
  const weights = new Map<string, Weight>();
  const constants: Constant[] = [];
  for (const node of graph.nodes) {
    const values = { inputs: node.inputs.map(nameOf), output: nameOf(node) };
    const emission = emitNode(node, values, pixelType);
    nodes.push(...emission.nodes);
    for (const weight of emission.weights ?? []) weights.set(weight.name, weight);
    constants.push(...(emission.constants ?? []));
  }
  nodes.push(emitChannelsLast(nameOf(graph.outputs.activations), 'activations'));
  const proto = {
    name: 'classifier',
    nodes,
    initializers: constants.map(constantTensor),
    inputs: [valueInfo(graph.input.name, graph.input.shape, DATA_TYPE[pixelType === 'uint8' ? 'uint8' : 'float'])],
    outputs: Object.entries(graph.outputs).map(([name, node]) => valueInfo(name, node.shape, DATA_TYPE.float)),
  };
  return { proto, weights: [...weights.values()] };
}

/**
 * Values are called as the layers that make them, but for the outputs of the model and for the pixels, whose name is
 * the input's. Activations are an output in another layout, so the map itself keeps its layer's name.
 */
function valueNames({ activations: _, ...vectors }: GraphOutputs): (node: Node) => string {
  const names = new Map<Node, string>(Object.entries(vectors).map(([name, node]) => [node, name]));
  return (node) => names.get(node) ?? `${node.name}:out`;
}

/** Streams a model whose last field is the graph, whose last fields are the weights: lengths first, values as they come. */
async function writeWhole(
  path: string,
  proto: GraphProto,
  weights: readonly Weight[],
  onWritten: (weight: Weight) => void,
): Promise<WrittenFile> {
  const head = encode(modelProto, { irVersion: IR_VERSION, producer: 'menagerie', operatorSets: [{ version: OPSET }] });
  const body = encode(graphProto, proto);
  const tensorHeads = weights.map(initializerHead);
  const graphLength = weights.reduce(
    (sum, weight, index) => sum + (tensorHeads[index]?.length ?? 0) + byteLength(weight),
    body.length,
  );
  return await writeFileThrough(path, async (sink) => {
    for (const part of [head, fieldHead(modelProto.fields.graph, graphLength), body]) await sink.write(part);
    for (const [index, weight] of weights.entries()) {
      await sink.write(tensorHeads[index] ?? new Uint8Array());
      await writeWeights(sink, [weight], onWritten);
    }
  });
}

/** All of an initializer that stands before its values. */
function initializerHead(weight: Weight): Uint8Array {
  const description = encode(tensorProto, { dims: weight.shape, dataType: DATA_TYPE.float, name: weight.name });
  const valuesHead = fieldHead(tensorProto.fields.rawData, byteLength(weight));
  const length = description.length + valuesHead.length + byteLength(weight);
  return Buffer.concat([fieldHead(graphProto.fields.initializers, length), description, valuesHead]);
}

async function writeWeights(
  sink: FileSink,
  weights: readonly Weight[],
  onWritten: (weight: Weight) => void,
): Promise<void> {
  for (const weight of weights) {
    const bytes = bytesOf(await weight.read());
    if (bytes.length !== byteLength(weight)) throw new Error(`weight "${weight.name}" is not of its own shape`);
    await sink.write(bytes);
    onWritten(weight);
  }
}

function externalTensors(weights: readonly Weight[], location: string): TensorProto[] {
  let offset = 0;
  return weights.map((weight) => {
    const [begin, length] = [offset, byteLength(weight)];
    offset += length;
    const externalData = Object.entries({ location, offset: `${begin}`, length: `${length}` });
    return {
      dims: weight.shape,
      dataType: DATA_TYPE.float,
      name: weight.name,
      externalData: externalData.map(([key, value]) => ({ key, value })),
      dataLocation: DATA_LOCATION.external,
    };
  });
}

function constantTensor({ name, shape, values }: Constant): TensorProto {
  const dataType = values instanceof Float32Array ? DATA_TYPE.float : DATA_TYPE.int64;
  return { name, dims: shape, dataType, rawData: bytesOf(values) };
}

function valueInfo(name: string, shape: Shape, elementType: number): ValueInfoProto {
  const sizes = shape.kind === 'map' ? [shape.height, shape.width, shape.channels] : [shape.length];
  const dims = [{ parameter: 'batch' }, ...sizes.map((value) => ({ value }))];
  return { name, type: { tensor: { elementType, shape: { dims } } } };
}
