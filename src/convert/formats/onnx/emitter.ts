import type { Graph, GraphOutputs } from '../../graph/graph.ts';
import type { Node, Shape } from '../../graph/ir.ts';
import { byteLength, type Weight } from '../../graph/tensors.ts';
import { bytesOf, type WrittenFile } from '../file-sink.ts';
import { type Constant, constantTensor, emitChannelsLast, emitNode, valueInfo } from './nodes.ts';
import { DATA_TYPE, type GraphProto, type NodeProto } from './proto.ts';
import { type OnnxWriteOptions, type TensorPlace, tensorPlaces, type WritableTensor, writeOnnxFile } from './writer.ts';

/** Opset 17 of 2022, with the IR version of its time: every runtime since reads it. */
const OPSET = 17;
const IR_VERSION = 8;
/** What every model of ours says of itself, before its graph. */
export const MODEL_HEAD = { irVersion: IR_VERSION, producer: 'menagerie', operatorSets: [{ version: OPSET }] };

export interface OnnxOptions extends OnnxWriteOptions {
  /** Type of the input `pixels`: bytes, unless a test feeds values of its own. */
  readonly pixelType?: 'uint8' | 'float32';
}

/**
 * Writes a graph as an ONNX model: input `pixels` `[n, height, width, 3]`; outputs `probabilities`, `logits` and
 * `features` `[n, k]` and `activations` `[n, height, width, channels]`. Weights are read, written and dropped one by one.
 *
 * @returns the files: the model, and `<path>.data` if it is that large
 */
export async function writeOnnx(graph: Graph, path: string, options: OnnxOptions = {}): Promise<WrittenFile[]> {
  const { proto, weights } = describe(graph, options.pixelType ?? 'uint8');
  return await writeOnnxFile(path, MODEL_HEAD, proto, weights.map(weightTensor), options);
}

/** Where `writeOnnx`, called with the same arguments, puts each weight: so that another model can use it in its place. */
export function weightPlaces(graph: Graph, path: string, options: OnnxOptions = {}): ReadonlyMap<string, TensorPlace> {
  const { proto, weights } = describe(graph, options.pixelType ?? 'uint8');
  return tensorPlaces(path, MODEL_HEAD, proto, weights.map(weightTensor), options);
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
