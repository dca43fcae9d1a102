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
/** What every model of ours says of itself, before its graph. */
export const MODEL_HEAD = { irVersion: IR_VERSION, producer: 'menagerie', operatorSets: [{ version: OPSET }] };
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
  if (totalBytes(weights) <= externalAboveBytes) return [await writeWhole(path, proto, weights, onWritten)];
  const data = await writeFileThrough(dataPath(path), (sink) => writeWeights(sink, weights, onWritten));
  const external = placesIn(data.path, weights).map(([weight, place]) => externalTensor(weight, place));
  const initializers = [...(proto.initializers ?? []), ...external];
  return [await writeWhole(path, { ...proto, initializers }, [], onWritten), data];
}

/** Where the values of a weight lie: a file, and the byte of it where they begin. */
export interface WeightPlace {
  readonly path: string;
  readonly offset: number;
}

/** Where `writeOnnx`, called with the same arguments, puts each weight: so that another model can use it in its place. */
export function weightPlaces(graph: Graph, path: string, options: OnnxOptions = {}): ReadonlyMap<string, WeightPlace> {
  const { proto, weights } = describe(graph, options.pixelType ?? 'uint8');
  const inside = totalBytes(weights) <= (options.externalAboveBytes ?? EXTERNAL_ABOVE_BYTES);
  const { prefix, tensorHeads } = frame(proto, inside ? weights : []);
  const placed = inside ? placesIn(path, weights, prefix.length, tensorHeads) : placesIn(dataPath(path), weights);
  return new Map(placed.map(([{ name }, place]) => [name, place]));
}

/** Weights one behind the other in a file, each behind a head of its own if there are heads. */
function placesIn(
  path: string,
  weights: readonly Weight[],
  begin = 0,
  heads: readonly Uint8Array[] = [],
): [Weight, WeightPlace][] {
  let end = begin;
  return weights.map((weight, index) => {
    const offset = end + (heads[index]?.length ?? 0);
    end = offset + byteLength(weight);
    return [weight, { path, offset }];
  });
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
    inputs: [
      valueInfo(graph.input.name, sizesOf(graph.input.shape), DATA_TYPE[pixelType === 'uint8' ? 'uint8' : 'float']),
    ],
    outputs: Object.entries(graph.outputs).map(([name, node]) => valueInfo(name, sizesOf(node.shape), DATA_TYPE.float)),
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
  const { prefix, tensorHeads } = frame(proto, weights);
  return await writeFileThrough(path, async (sink) => {
    await sink.write(prefix);
    for (const [index, weight] of weights.entries()) {
      await sink.write(tensorHeads[index] ?? new Uint8Array());
      await writeWeights(sink, [weight], onWritten);
    }
  });
}

/** All of a model but the values of its weights: what stands before the first, and what before each. */
function frame(proto: GraphProto, weights: readonly Weight[]): { prefix: Uint8Array; tensorHeads: Uint8Array[] } {
  const body = encode(graphProto, proto);
  const tensorHeads = weights.map(initializerHead);
  const headBytes = tensorHeads.reduce((sum, { length }) => sum + length, 0);
  const graphHead = fieldHead(modelProto.fields.graph, body.length + headBytes + totalBytes(weights));
  return { prefix: Buffer.concat([encode(modelProto, MODEL_HEAD), graphHead, body]), tensorHeads };
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

/** An initializer whose values lie in another file of the same folder. */
export function externalTensor(weight: Weight, { path, offset }: WeightPlace): TensorProto {
  const externalData = Object.entries({
    location: basename(path),
    offset: `${offset}`,
    length: `${byteLength(weight)}`,
  });
  return {
    dims: weight.shape,
    dataType: DATA_TYPE.float,
    name: weight.name,
    externalData: externalData.map(([key, value]) => ({ key, value })),
    dataLocation: DATA_LOCATION.external,
  };
}

export function constantTensor({ name, shape, values }: Constant): TensorProto {
  const dataType = values instanceof Float32Array ? DATA_TYPE.float : DATA_TYPE.int64;
  return { name, dims: shape, dataType, rawData: bytesOf(values) };
}

/** A value that enters or leaves a model, its shape without the batch. */
export function valueInfo(name: string, sizes: readonly number[], elementType: number): ValueInfoProto {
  const dims = [{ parameter: 'batch' }, ...sizes.map((value) => ({ value }))];
  return { name, type: { tensor: { elementType, shape: { dims } } } };
}

function sizesOf(shape: Shape): number[] {
  return shape.kind === 'map' ? [shape.height, shape.width, shape.channels] : [shape.length];
}

function totalBytes(weights: readonly Weight[]): number {
  return weights.reduce((sum, weight) => sum + byteLength(weight), 0);
}

function dataPath(path: string): string {
  return `${path}.data`;
}
