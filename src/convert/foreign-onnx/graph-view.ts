import { type Dtype, decodeFloats } from '../formats/element-types.ts';
import {
  DATA_TYPE,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../formats/onnx/proto.ts';
import { type OnnxFile, subgraphs } from '../formats/onnx/reader.ts';

const FLOATS: ReadonlyMap<number, Dtype> = new Map([
  [DATA_TYPE.float, 'F32'],
  [DATA_TYPE.double, 'F64'],
  [DATA_TYPE.float16, 'F16'],
]);

/** Operators that pass each number on unchanged, or cast it. */
export const MOVES = ['Identity', 'Cast', 'Dropout', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose'];
/** Operators that compute one number from several of a map. */
export const POOLS = ['AveragePool', 'GlobalAveragePool', 'MaxPool', 'GlobalMaxPool', 'LpPool', 'ReduceMean'];
/** The pools that compute the mean. */
export const MEANS = ['AveragePool', 'GlobalAveragePool', 'ReduceMean'];
/** Operators that compute each number from one other. */
export const POINTWISE = ['Relu', 'Clip', 'BatchNormalization'];
/** Operators that convert between numbers and their quantized integers. */
export const QUANTIZATION = ['QuantizeLinear', 'DequantizeLinear'];
/** Operators that combine one input with constants. */
export const ARITHMETIC = ['Add', 'Sub', 'Mul', 'Div'];

/** A view of the graph of a model that finds producers and dependencies of values. */
export class GraphView {
  readonly nodes: readonly NodeProto[];
  /** The inputs that are fed at run time; old files list weights among the inputs too. */
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
  readonly #producers = new Map<string, NodeProto>();
  readonly #tensors: ReadonlyMap<string, TensorProto>;
  /** Values that depend on the inputs. */
  readonly #fed = new Set<string>();

  constructor({ graph, tensors }: Pick<OnnxFile, 'graph' | 'tensors'>) {
    this.nodes = inOrder(graph.nodes ?? []);
    this.#tensors = new Map(tensors.map(({ proto }) => [proto.name ?? '', proto]));
    this.inputs = (graph.inputs ?? []).filter(({ name = '' }) => !this.#tensors.has(name));
    this.outputs = graph.outputs ?? [];
    for (const { name = '' } of this.inputs) this.#fed.add(name);
    for (const node of this.nodes) {
      const isFed = valuesRead(node).some((value) => this.#fed.has(value));
      for (const output of node.outputs ?? []) {
        this.#producers.set(output, node);
        if (isFed) this.#fed.add(output);
      }
    }
  }

  /** The node that computes a value; undefined for inputs and weights. */
  producer(value: string): NodeProto | undefined {
    return this.#producers.get(value);
  }

  /** Whether a value depends on the inputs. */
  isFed(value: string): boolean {
    return this.#fed.has(value);
  }

  has(value: string): boolean {
    return this.#producers.has(value) || this.#tensors.has(value) || this.inputs.some(({ name }) => name === value);
  }

  /** The names of all values and nodes. */
  names(): string[] {
    const named = [...this.inputs, ...this.nodes].map(({ name = '' }) => name);
    return [...named, ...this.#tensors.keys(), ...this.#producers.keys()];
  }

  /** The nodes that values depend on, in order. */
  upTo(values: readonly string[]): NodeProto[] {
    const needed = new Set<NodeProto>();
    const open = [...values];
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      const node = this.#producers.get(value);
      if (node === undefined || needed.has(node)) continue;
      needed.add(node);
      open.push(...valuesRead(node));
    }
    return this.nodes.filter((node) => needed.has(node));
  }

  /** The numbers of a small constant, as float32; undefined for any other value. */
  numbers(value: string): number[] | undefined {
    const node = this.#producers.get(value);
    if (node === undefined) return numbersOf(this.#tensors.get(value));
    const { operator = '', inputs: [input = ''] = [], attributes: [attribute] = [] } = node;
    if (MOVES.includes(operator)) return this.numbers(input);
    if (operator !== 'Constant' || attribute === undefined) return undefined;
    const { tensor, floats, float, integers } = attribute;
    if (tensor !== undefined) return numbersOf(tensor);
    return floats?.slice() ?? integers?.map(Number) ?? (float === undefined ? undefined : [float]);
  }

  /** The number of a constant of one byte, and the least number of its type; undefined for any other value. */
  byte(value: string): { value: number; least: number } | undefined {
    const node = this.#producers.get(value);
    const [attribute] = node?.attributes ?? [];
    if (node === undefined) return byteOf(this.#tensors.get(value));
    return node.operator === 'Constant' ? byteOf(attribute?.tensor) : undefined;
  }

  /** The numbers of an integer constant in memory; undefined for any other value. */
  integers(value: string): number[] | undefined {
    const node = this.#producers.get(value);
    if (node === undefined) return integersOf(this.#tensors.get(value));
    const [input = ''] = node.inputs ?? [];
    if (node.operator === 'Identity') return this.integers(input);
    if (node.operator !== 'Constant') return undefined;
    const [attribute] = node.attributes ?? [];
    return attribute?.integers?.map(Number) ?? integersOf(attribute?.tensor);
  }
}

/** Each node after those whose outputs it reads: the converters to float16 append their casts at the end. */
function inOrder(nodes: readonly NodeProto[]): readonly NodeProto[] {
  const made = new Set(nodes.flatMap(({ outputs = [] }) => outputs));
  const isReady = (node: NodeProto) => valuesRead(node).every((value) => !made.has(value));
  const ordered: NodeProto[] = [];
  let waiting = nodes;
  while (waiting.length > 0) {
    const left = waiting.filter((node) => {
      if (!isReady(node)) return true;
      ordered.push(node);
      for (const output of node.outputs ?? []) made.delete(output);
      return false;
    });
    // A cycle: the runtime names it.
    if (left.length === waiting.length) return nodes;
    waiting = left;
  }
  return ordered;
}

/** The number in a tensor of one byte, and the least number of its type. */
function byteOf(tensor: TensorProto | undefined): { value: number; least: number } | undefined {
  const { dataType, int32Data, rawData } = tensor ?? {};
  const least = dataType === DATA_TYPE.uint8 ? 0 : dataType === DATA_TYPE.int8 ? -128 : undefined;
  const [first] = int32Data ?? rawData ?? [];
  if (least === undefined || first === undefined) return undefined;
  // As a byte of raw data, a negative number is 256 more.
  return { value: first > least + 255 ? first - 256 : first, least };
}

/** The numbers of a small float or integer tensor; undefined when they are not in memory. */
function numbersOf(tensor: TensorProto | undefined): number[] | undefined {
  const { dataType, floatData, doubleData, rawData, name = '' } = tensor ?? {};
  if (dataType === DATA_TYPE.int64) return integersOf(tensor);
  const dtype = FLOATS.get(dataType ?? 0);
  if (dtype === undefined) return undefined;
  const given = floatData ?? doubleData;
  if (given !== undefined) return [...given];
  return rawData && Array.from(decodeFloats(name, dtype, rawData));
}

/** The value of an attribute that is an integer or a list of integers. */
export function attributeIntegers({ attributes = [] }: NodeProto, name: string): number[] | undefined {
  const found = attributes.find((attribute) => attribute.name === name);
  if (found === undefined) return undefined;
  return found.integers?.map(Number) ?? [Number(found.integer ?? 0)];
}

/** The values that a node reads, including those that graphs inside it read. */
export function valuesRead(node: NodeProto): string[] {
  const inner = subgraphs(node).flatMap(({ nodes = [] }: GraphProto) => nodes.flatMap(valuesRead));
  return [...(node.inputs ?? []), ...inner].filter((value) => value !== '');
}

function integersOf(tensor: TensorProto | undefined): number[] | undefined {
  if (tensor?.dataType !== DATA_TYPE.int64) return undefined;
  const { int64Data, rawData } = tensor;
  if (int64Data !== undefined) return int64Data.map(Number);
  if (rawData === undefined) return undefined;
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  return Array.from({ length: Math.floor(rawData.length / 8) }, (_, index) =>
    Number(view.getBigInt64(8 * index, true)),
  );
}
