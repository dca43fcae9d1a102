import { ConversionError } from '../conversion-error.ts';
import { bytesOf, type WrittenFile } from '../formats/file-sink.ts';
import { Emitted } from '../formats/onnx/emitted.ts';
import { MODEL_FIELDS, modelInterface, valueNames, weightTensor } from '../formats/onnx/emitter.ts';
import { constantTensor, emitChannelsLast, emitNode, nodeProto } from '../formats/onnx/nodes.ts';
import { DATA_TYPE, type TensorProto } from '../formats/onnx/proto.ts';
import { type OnnxWriteOptions, writeOnnxFile } from '../formats/onnx/writer.ts';
import { type Graph, weightsOf } from '../graph/graph.ts';
import type { Node } from '../graph/ir.ts';
import { planQuantization } from './plan.ts';
import type { Quantization } from './ranges.ts';
import { quantizeWeights } from './weights.ts';

/** What calibration found out about a layer's output. */
export interface CalibratedValue {
  readonly quantization: Quantization;
  /** Mean of each channel. */
  readonly means: Float64Array;
}

/**
 * Writes a classifier as an ONNX model of 8-bit integers, with the interface of `writeOnnx`. Operators are in floats,
 * between pairs of `QuantizeLinear` and `DequantizeLinear`: a runtime replaces them by operators in bytes where it has
 * such, and computes the same without.
 *
 * @param graph with its batch norms folded
 * @param calibrated the quantization of every value of `planQuantization(graph)`
 */
export async function writeQuantizedOnnx(
  graph: Graph,
  calibrated: ReadonlyMap<Node, CalibratedValue>,
  path: string,
  options: OnnxWriteOptions = {},
): Promise<WrittenFile[]> {
  const { values, weighted, folded } = planQuantization(graph);
  const nameOf = valueNames(graph.outputs);
  const outputs = new Set<Node>(Object.values(graph.outputs));
  const emitted = new Emitted();
  const integers: TensorProto[] = [];
  const quantizationOf = (node: Node): CalibratedValue => {
    const found = calibrated.get(node);
    if (found === undefined) throw new ConversionError(`layer "${node.name}" was not calibrated`);
    return found;
  };
  // An output of the model that was cut by its quantization alone is the value after it.
  const isCut = (node: Node) => outputs.has(node) && folded.has(node);
  const exactName = (node: Node) => (isCut(node) ? `${nameOf(node)}:uncut` : nameOf(node));
  const readName = (node: Node) =>
    !values.has(node) ? nameOf(node) : isCut(node) ? nameOf(node) : `${nameOf(node)}:rounded`;

  for (const node of graph.nodes) {
    const inputs = node.inputs.map(readName);
    const [first, input = ''] = [node.inputs[0], inputs[0]];
    let exact = exactName(node);
    // The layer before a cut value hands it over without an operator in between.
    if (folded.has(node)) exact = input;
    else {
      const weights = weighted.has(node) && first !== undefined ? weightsOf(node) : [];
      if (weights.length > 0 && first !== undefined) await emitWeights(node, first);
      const { nodes, constants = [] } = emitNode(node, { inputs, output: exact }, 'uint8');
      emitted.nodes.push(...nodes);
      emitted.constants.push(...constants);
      if (weights.length === 0) for (const weight of weightsOf(node)) emitted.weight(weight);
    }
    if (values.has(node)) emitRounding(node, exact, readName(node), quantizationOf(node).quantization);
  }
  emitted.nodes.push(emitChannelsLast(readName(graph.outputs.activations), 'activations'));
  const initializers = [...emitted.constants.map(constantTensor), ...integers];
  const proto = { name: 'classifier', nodes: emitted.nodes, initializers, ...modelInterface(graph, 'uint8') };
  return await writeOnnxFile(path, MODEL_FIELDS, proto, [...emitted.weights.values()].map(weightTensor), options);

  /** The weights of a layer under their own names, made of bytes. */
  async function emitWeights(node: Node, input: Node): Promise<void> {
    const { quantization, means } = quantizationOf(input);
    const [weight, bias] = weightsOf(node);
    const quantized = await quantizeWeights(node, quantization.scale, means);
    const channels = quantized.scales.length;
    if (weight === undefined) return;
    emitBytes(weight.name, weight.shape, quantized.weight, DATA_TYPE.int8, quantized.scales, new Int8Array(channels));
    if (bias === undefined || quantized.bias === undefined) return;
    const zeros = new Int32Array(channels);
    emitBytes(bias.name, bias.shape, quantized.bias, DATA_TYPE.int32, quantized.biasScales, zeros);
  }

  function emitBytes(
    name: string,
    dims: readonly number[],
    values: Int8Array | Int32Array,
    dataType: number,
    scales: Float32Array,
    zeros: Int8Array | Int32Array,
  ): void {
    integers.push({ name: `${name}:bytes`, dims, dataType, rawData: bytesOf(values) });
    integers.push({ name: `${name}:zero`, dims: [zeros.length], dataType, rawData: bytesOf(zeros) });
    const scale = emitted.constant(`${name}:scale`, [scales.length], scales);
    const operands = [`${name}:bytes`, scale, `${name}:zero`];
    emitted.nodes.push(nodeProto(`${name}:dequantize`, 'DequantizeLinear', operands, name, { axis: 0 }));
  }

  function emitRounding(node: Node, exact: string, rounded: string, { scale, zeroPoint }: Quantization): void {
    const name = nameOf(node);
    const zero = Uint8Array.of(zeroPoint);
    integers.push({ name: `${name}:zero`, dims: [], dataType: DATA_TYPE.uint8, rawData: zero });
    const parameters = [emitted.constant(`${name}:scale`, [], Float32Array.of(scale)), `${name}:zero`];
    const bytes = `${name}:bytes`;
    emitted.nodes.push(nodeProto(`${name}:quantize`, 'QuantizeLinear', [exact, ...parameters], bytes));
    emitted.nodes.push(nodeProto(`${name}:dequantize`, 'DequantizeLinear', [bytes, ...parameters], rounded));
  }
}
