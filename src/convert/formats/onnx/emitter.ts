import type { Graph, GraphOutputs } from '../../graph/graph.ts';
import type { Node, Shape } from '../../graph/ir.ts';
import { byteLength, type Weight } from '../../graph/tensors.ts';
import { bytesOf, type WrittenFile } from '../file-sink.ts';
import { constantTensor, emitChannelsLast, emitNode, type OnnxConstant, valueInfo } from './nodes.ts';
import { DATA_TYPE, type GraphProto, type NodeProto, type ValueInfoProto } from './proto.ts';
import {
  type OnnxWriteOptions,
  type TensorLocation,
  tensorLocations,
  type WritableTensor,
  writeOnnxFile,
} from './writer.ts';

/** Opset 17 and its IR version are of 2022, so that older runtimes can read the models. */
const OPSET = 17;
const IR_VERSION = 8;
/** The fields of an emitted model before its graph. */
export const MODEL_FIELDS = { irVersion: IR_VERSION, producer: 'menagerie', operatorSets: [{ version: OPSET }] };

export interface OnnxOptions extends OnnxWriteOptions {
  /** Element type of the input `pixels`. Default: uint8; tests use float32 to feed other values. */
  readonly pixelType?: 'uint8' | 'float32';
  /** Layers whose values the model gives too, under the names of `valueNames`, maps with their channels first. */
  readonly observed?: readonly Node[];
}

/**
 * Writes a graph as an ONNX model with the input `pixels` `[n, height, width, 3]` and the outputs `probabilities`,
 * `logits` and `features` `[n, k]` and `activations` `[n, height, width, channels]`, and `novelty` `[n, 1]` if the
 * graph has a detector. Only one weight is in memory at a time.
 *
 * @returns the files: the model, and `<path>.data` when its weights are in a separate file
 */
export async function writeOnnx(graph: Graph, path: string, options: OnnxOptions = {}): Promise<WrittenFile[]> {
  const { proto, weights } = describe(graph, options);
  return await writeOnnxFile(path, MODEL_FIELDS, proto, weights.map(weightTensor), options);
}

/**
 * The locations at which `writeOnnx`, called with the same arguments, writes weights; another model can refer to
 * them.
 */
export function weightLocations(
  graph: Graph,
  path: string,
  options: OnnxOptions = {},
): ReadonlyMap<string, TensorLocation> {
  const { proto, weights } = describe(graph, options);
  return tensorLocations(path, MODEL_FIELDS, proto, weights.map(weightTensor), options);
}

/** The graph without its weights, and the weights in the order of their use. */
function describe(
  graph: Graph,
  { pixelType = 'uint8', observed = [] }: OnnxOptions,
): { proto: GraphProto; weights: Weight[] } {
  const nameOf = valueNames(graph.outputs);
  const nodes: NodeProto[] = [];
  const weights = new Map<string, Weight>();
  const constants: OnnxConstant[] = [];
  for (const node of graph.nodes) {
    const values = { inputs: node.inputs.map(nameOf), output: nameOf(node) };
    const emission = emitNode(node, values, pixelType);
    nodes.push(...emission.nodes);
    for (const weight of emission.weights ?? []) weights.set(weight.name, weight);
    constants.push(...(emission.constants ?? []));
  }
  nodes.push(emitChannelsLast(nameOf(graph.outputs.activations), 'activations'));
  const { inputs, outputs } = modelInterface(graph, pixelType);
  const named = new Set(outputs.map(({ name }) => name));
  const more = observed.filter((node) => !named.has(nameOf(node)));
  const proto = {
    name: 'classifier',
    nodes,
    initializers: constants.map(constantTensor),
    inputs,
    outputs: [...outputs, ...more.map((node) => valueInfo(nameOf(node), channelsFirst(node.shape), DATA_TYPE.float))],
  };
  return { proto, weights: [...weights.values()] };
}

/** The input `pixels` and the outputs of the models of a graph. */
export function modelInterface(
  graph: Graph,
  pixelType: 'uint8' | 'float32',
): { inputs: ValueInfoProto[]; outputs: ValueInfoProto[] } {
  return {
    inputs: [
      valueInfo(graph.input.name, sizesOf(graph.input.shape), DATA_TYPE[pixelType === 'uint8' ? 'uint8' : 'float']),
    ],
    outputs: Object.entries(graph.outputs).map(([name, node]) => valueInfo(name, sizesOf(node.shape), DATA_TYPE.float)),
  };
}

/**
 * Names of values: the outputs of the model have their own names, other values the names of their layers. The output
 * `activations` is a transposed copy, so the map itself has the name of its layer.
 */
export function valueNames({ activations: _, ...vectors }: GraphOutputs): (node: Node) => string {
  const names = new Map<Node, string>(Object.entries(vectors).map(([name, node]) => [node, name]));
  return (node) => names.get(node) ?? `${node.name}:out`;
}

/** A weight as an initializer. */
export function weightTensor(weight: Weight): WritableTensor {
  const { name, shape } = weight;
  return {
    proto: { name, dims: shape, dataType: DATA_TYPE.float },
    values: {
      field: 'rawData',
      length: byteLength(weight),
      read: async function* () {
        yield bytesOf(await weight.read());
      },
    },
  };
}

function sizesOf(shape: Shape): number[] {
  return shape.kind === 'map' ? [shape.height, shape.width, shape.channels] : [shape.length];
}

function channelsFirst(shape: Shape): number[] {
  return shape.kind === 'map' ? [shape.channels, shape.height, shape.width] : [shape.length];
}
