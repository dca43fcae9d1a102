import { ConversionError } from '../conversion-error.ts';
import { DATA_TYPE } from '../formats/onnx-proto.ts';
import type { Layout, OnnxHints } from './architecture.ts';
import { attributeIntegers, type GraphView, valuesRead } from './graph-view.ts';
import type { ImageInput } from './input.ts';
import type { Probe } from './probe.ts';

/** Operators that give each number on as it is, or as another number of the same place. */
const MOVES = ['Identity', 'Cast', 'Dropout', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose'];
const POOLS = ['AveragePool', 'GlobalAveragePool', 'MaxPool', 'GlobalMaxPool', 'LpPool', 'ReduceMean'];
const QUANTIZATION = ['QuantizeLinear', 'DequantizeLinear'];
const POINTWISE = ['Relu', 'Clip', 'BatchNormalization'];
/** What they make are the integers that stand for other numbers. */
const QUANTIZED = /^(QuantizeLinear|DynamicQuantizeLinear|QLinear|QGemm|ConvInteger|MatMulInteger)/;
/** They pass on what one input says, where the others are constants. */
const ARITHMETIC = ['Add', 'Sub', 'Mul', 'Div'];
/** Operators of maps whose channels stand before rows and columns, by the definition of ONNX. */
const CHANNELS_FIRST =
  /^(Conv|ConvTranspose|QLinearConv|ConvInteger|BatchNormalization|.*Pool|LRN|InstanceNormalization|DepthToSpace|SpaceToDepth)$/;

/** Which value holds the classes, and as what. */
export interface OutputRole {
  readonly output: string;
  readonly output_kind: 'logits' | 'probabilities';
}

/** Outputs of floats that depend on the input: among them are the classes. */
export function outputCandidates(view: GraphView, hints: Pick<OnnxHints, 'output'>): string[] {
  if (hints.output !== undefined) {
    if (view.has(hints.output)) return [hints.output];
    throw new ConversionError(`the model has no value "${hints.output}"`);
  }
  const floats: readonly (number | undefined)[] = [DATA_TYPE.float, DATA_TYPE.float16, DATA_TYPE.double, undefined];
  const candidates = view.outputs
    .filter(({ name = '', type }) => view.isFed(name) && floats.includes(type?.tensor?.elementType))
    .map(({ name = '' }) => name);
  if (candidates.length > 0) return candidates;
  throw new ConversionError('no output of the model is of floating-point numbers: there are no scores of classes');
}

/**
 * Which output holds the classes. Before a softmax are its logits, which are taken instead.
 * @param numClasses as many as there are labels; any number of them when undefined
 */
export function findOutput(
  view: GraphView,
  probe: Probe,
  hints: OnnxHints,
  numClasses: number | undefined,
): OutputRole {
  const vectors = [...probe.outputs].filter(([, { shape }]) => isVector(shape) && (lengthOf(shape) ?? 0) > 1);
  const fitting = vectors.filter(([, { shape }]) => numClasses === undefined || lengthOf(shape) === numClasses);
  const normalized = fitting.filter(([name]) => softmaxBehind(view, name) !== undefined);
  const [chosen, ...others] = normalized.length === 1 ? normalized : fitting;
  if (chosen === undefined || others.length > 0) {
    const all = [...probe.outputs].map(([name, { shape }]) => `"${name}" [${shape}]`).join(', ');
    const wanted = numClasses === undefined ? 'a vector of classes' : `a vector of ${numClasses} classes`;
    throw new ConversionError(
      chosen === undefined
        ? `no output is ${wanted}: the model gives ${all}`
        : `more than one output is ${wanted}, of ${all}: say which is the output`,
    );
  }
  const [output, { numbers }] = chosen;
  if (hints.output_kind === 'logits') return { output, output_kind: 'logits' };
  const logits = softmaxBehind(view, output);
  if (logits !== undefined) return { output: logits, output_kind: 'logits' };
  if (hints.output_kind === undefined && lastOperator(view, output) === 'Sigmoid') {
    throw new ConversionError(
      `output "${output}" ends in Sigmoid: labels that do not exclude each other, which is no classification`,
    );
  }
  return { output, output_kind: hints.output_kind ?? (sumsToOne(numbers) ? 'probabilities' : 'logits') };
}

/** What enters the last dense layer, and the layout of it where it is a map; undefined when there is no such layer. */
export function findFeatures(view: GraphView, probe: Probe, logits: string): string | undefined {
  for (let value = logits; ; ) {
    const node = view.producer(value);
    const inputs = node?.inputs ?? [];
    const [first = '', second = ''] = inputs;
    switch (node?.operator) {
      case 'Gemm':
      case 'Conv':
        return view.isFed(first) && !view.isFed(second) && entersHead(probe, first, value, node.operator)
          ? first
          : undefined;
      case 'MatMulInteger':
      case 'ConvInteger': {
        // Quantised on the way into the layer: what is quantised are the features.
        const [origin = ''] = view.producer(first)?.inputs ?? [];
        return !view.isFed(second) && view.isFed(origin) && entersHead(probe, origin, value, node.operator)
          ? origin
          : undefined;
      }
      case 'MatMul': {
        const fed = inputs.filter((input) => view.isFed(input));
        const [entering] = fed;
        return fed.length === 1 && entering !== undefined && entersHead(probe, entering, value, 'MatMul')
          ? entering
          : undefined;
      }
      default: {
        const before = passedOn(view, probe, value);
        if (before === undefined) return undefined;
        value = before;
      }
    }
  }
}

/** The last map that `features` stand on, before what pools it; undefined when the model has none. */
export function findActivations(view: GraphView, probe: Probe, features: string): string | undefined {
  const values = view.upTo([features]).flatMap(({ outputs = [] }) => outputs);
  const maps = values.filter(
    (value) => probe.shapes.get(value)?.length === 4 && view.isFed(value) && !isQuantized(view, value),
  );
  const spatial = maps.filter((value) => (probe.shapes.get(value) ?? []).filter((size) => size > 1).length >= 2);
  let value = spatial.at(-1) ?? maps.at(-1);
  while (value !== undefined) {
    const { operator = '', inputs = [] } = view.producer(value) ?? {};
    const [before = ''] = inputs;
    const passes = [...MOVES, ...POOLS, 'Pad'].includes(operator);
    if (!passes || !view.isFed(before) || probe.shapes.get(before)?.length !== 4 || isQuantized(view, before)) break;
    value = before;
  }
  return value;
}

/** Where the channels of a map are; undefined when the graph does not tell. */
export function layoutOf(view: GraphView, probe: Probe, map: string, input: ImageInput): Layout | undefined {
  if (map === input.name) return input.layout;
  const node = view.producer(map);
  if (node === undefined) return undefined;
  if (CHANNELS_FIRST.test(node.operator ?? '')) return 'nchw';
  const before = valuesRead(node).find(
    (value) => value === input.name || (view.isFed(value) && (probe.shapes.get(value)?.length ?? 0) >= 4),
  );
  const layout = before === undefined ? undefined : layoutOf(view, probe, before, input);
  if (node.operator !== 'Transpose') return layout;
  const perm = attributeIntegers(node, 'perm')?.join();
  if (perm === '0,2,3,1' && layout === 'nchw') return 'nhwc';
  if (perm === '0,3,1,2' && layout === 'nhwc') return 'nchw';
  return undefined;
}

/** Whether all sizes but the batch are one, but for a single one. */
export function isVector(shape: readonly number[]): boolean {
  return (shape.length > 1 ? shape.slice(1) : shape).filter((size) => size !== 1).length <= 1;
}

/** The value before a softmax, when that is what an output ends in. */
function softmaxBehind(view: GraphView, output: string): string | undefined {
  for (let value: string | undefined = output; value !== undefined; ) {
    const node = view.producer(value);
    const [input = ''] = node?.inputs ?? [];
    if (node?.operator === 'Softmax' || node?.operator === 'LogSoftmax') return input;
    value = [...MOVES, ...QUANTIZATION].includes(node?.operator ?? '') && view.isFed(input) ? input : undefined;
  }
  return undefined;
}

function lastOperator(view: GraphView, output: string): string | undefined {
  let node = view.producer(output);
  while (node !== undefined && MOVES.includes(node.operator ?? '')) node = view.producer(node.inputs?.[0] ?? '');
  return node?.operator;
}

/** The one value that another is made of, by an operator behind a dense layer. */
function passedOn(view: GraphView, { shapes }: Probe, value: string): string | undefined {
  const node = view.producer(value);
  const operator = node?.operator ?? '';
  const fed = (node?.inputs ?? []).filter((input) => view.isFed(input));
  const [first] = node?.inputs ?? [];
  // A lone number is the scale of what was quantised.
  const many = fed.filter((input) => (shapes.get(input) ?? []).some((size) => size > 1));
  if (ARITHMETIC.includes(operator)) return many.length === 1 ? many[0] : undefined;
  if (![...MOVES, ...POOLS, ...POINTWISE, ...QUANTIZATION].includes(operator)) return undefined;
  return first !== undefined && view.isFed(first) ? first : undefined;
}

/** Whether a value is of integers that stand for other numbers. */
function isQuantized(view: GraphView, value: string): boolean {
  const { operator = '', inputs = [] } = view.producer(value) ?? {};
  if (QUANTIZED.test(operator)) return true;
  const [first = ''] = inputs;
  return (
    [...MOVES, ...POOLS, ...POINTWISE, 'Concat', 'Pad'].includes(operator) &&
    operator !== 'Cast' &&
    isQuantized(view, first)
  );
}

/** A layer is dense when it reads a vector, or each position of a map by itself. */
function entersHead({ shapes }: Probe, entering: string, made: string, operator: string): boolean {
  const [before = [], after = []] = [shapes.get(entering), shapes.get(made)];
  if (!operator.startsWith('Conv')) return isVector(before);
  return before.length === 4 && before.slice(2).join() === after.slice(2).join();
}

function lengthOf(shape: readonly number[]): number {
  return (shape.length > 1 ? shape.slice(1) : shape).reduce((product, size) => product * size, 1);
}

function sumsToOne(numbers: ArrayLike<number>): boolean {
  const values = Array.from(numbers);
  return values.every((value) => value >= 0) && Math.abs(values.reduce((sum, value) => sum + value, 0) - 1) < 1e-3;
}
