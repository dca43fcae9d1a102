import { ConversionError } from '../conversion-error.ts';
import { DATA_TYPE, type NodeProto } from '../formats/onnx/proto.ts';
import type { OnnxHints } from './architecture.ts';
import { ARITHMETIC, type GraphView, MOVES, POINTWISE, POOLS, QUANTIZATION } from './graph-view.ts';
import type { Probe } from './probe.ts';

/** The value with the scores of the classes. */
export interface OutputRole {
  readonly output: string;
  readonly output_kind: 'logits' | 'probabilities';
}

/** Floating-point outputs that depend on the input: one of them has the scores of the classes. */
export function outputCandidates(view: GraphView, hints: Pick<OnnxHints, 'output'>): string[] {
  if (hints.output !== undefined) {
    if (view.has(hints.output)) return [hints.output];
    throw new ConversionError(`the model has no value "${hints.output}"`);
  }
  const floats: readonly (number | undefined)[] = [DATA_TYPE.float, DATA_TYPE.float16, DATA_TYPE.double, undefined];
  const tensors = view.outputs
    .filter(({ name = '', type }) => view.isFed(name) && floats.includes(type?.tensor?.elementType))
    // A ZipMap gives a dict by label for each image; the tensor that it reads has the scores.
    .map(({ name = '' }) => producedByZipMap(view, name)?.inputs?.[0] ?? name);
  const candidates = [...new Set(tensors)];
  if (candidates.length > 0) return candidates;
  throw new ConversionError('the model has no floating-point output, so there are no scores of classes');
}

function producedByZipMap(view: GraphView, value: string): NodeProto | undefined {
  const node = view.producer(value);
  return node?.operator === 'ZipMap' ? node : undefined;
}

/**
 * Finds the output with the scores of the classes. If it ends in a softmax, the logits before it are taken instead.
 *
 * @param numClasses number of labels; any number when undefined
 */
export function findOutput(
  view: GraphView,
  probe: Probe,
  hints: OnnxHints,
  numClasses: number | undefined,
): OutputRole {
  const vectors = [...probe.outputs].filter(([, { shape }]) => shape.length > 0 && isVector(shape));
  const of = (count: number) => vectors.filter(([, { shape }]) => lengthOf(shape) === count);
  const several = numClasses === undefined ? vectors.filter(([, { shape }]) => lengthOf(shape) > 1) : of(numClasses);
  // The one score of two classes.
  const fitting = several.length === 0 && (numClasses ?? 2) === 2 ? of(1) : several;
  const normalized = fitting.filter(([name]) => softmaxBehind(view, name) !== undefined);
  const [chosen, ...others] = normalized.length === 1 ? normalized : fitting;
  if (chosen === undefined || others.length > 0) {
    const all = [...probe.outputs].map(([name, { shape }]) => `"${name}" [${shape}]`).join(', ');
    const wanted = numClasses === undefined ? 'a vector of classes' : `a vector of ${numClasses} classes`;
    throw new ConversionError(
      chosen === undefined
        ? `no output is ${wanted}: the model has ${all}`
        : `more than one output is ${wanted} (${all}): name one`,
    );
  }
  const [output, { numbers, shape }] = chosen;
  if (hints.output_kind === 'logits') return { output, output_kind: 'logits' };
  const logits = softmaxBehind(view, output);
  if (logits !== undefined) return { output: logits, output_kind: 'logits' };
  const isBinary = lengthOf(shape) === 1;
  const sigmoid = lastMoved(view, output);
  if (isBinary && sigmoid?.operator === 'Sigmoid') return { output: sigmoid.inputs?.[0] ?? '', output_kind: 'logits' };
  if (isBinary) return { output, output_kind: hints.output_kind ?? 'logits' };
  if (hints.output_kind === undefined && sigmoid?.operator === 'Sigmoid') {
    throw new ConversionError(
      `output "${output}" ends in Sigmoid: its labels do not exclude each other, so it is not a classifier`,
    );
  }
  return {
    output,
    output_kind:
      hints.output_kind ?? (sumsToOne(Array.from(numbers).slice(0, lengthOf(shape))) ? 'probabilities' : 'logits'),
  };
}

/** The input of the last dense layer; undefined when there is no such layer. */
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
        // The input of the layer is quantized: the features are the value before.
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

/** Whether at most one dimension apart from the batch is larger than 1. */
export function isVector(shape: readonly number[]): boolean {
  return (shape.length > 1 ? shape.slice(1) : shape).filter((size) => size !== 1).length <= 1;
}

/** The input of the softmax that an output ends in, if it does. */
function softmaxBehind(view: GraphView, output: string): string | undefined {
  for (let value: string | undefined = output; value !== undefined; ) {
    const node = view.producer(value);
    const [input = ''] = node?.inputs ?? [];
    if (node?.operator === 'Softmax' || node?.operator === 'LogSoftmax') return input;
    value = [...MOVES, ...QUANTIZATION].includes(node?.operator ?? '') && view.isFed(input) ? input : undefined;
  }
  return undefined;
}

/** The node that computes the numbers of an output. */
function lastMoved(view: GraphView, output: string): NodeProto | undefined {
  let node = view.producer(output);
  while (node !== undefined && [...MOVES, ...QUANTIZATION].includes(node.operator ?? '')) {
    node = view.producer(node.inputs?.[0] ?? '');
  }
  return node;
}

/** The only value that another one depends on, if its operator may follow a dense layer. */
function passedOn(view: GraphView, { shapes }: Probe, value: string): string | undefined {
  const node = view.producer(value);
  const operator = node?.operator ?? '';
  const fed = (node?.inputs ?? []).filter((input) => view.isFed(input));
  const [first] = node?.inputs ?? [];
  // A single number is the scale of quantized values.
  const many = fed.filter((input) => (shapes.get(input) ?? []).some((size) => size > 1));
  if (ARITHMETIC.includes(operator)) return many.length === 1 ? many[0] : undefined;
  if (![...MOVES, ...POOLS, ...POINTWISE, ...QUANTIZATION].includes(operator)) return undefined;
  return first !== undefined && view.isFed(first) ? first : undefined;
}

/** Whether a layer is dense: it reads a vector, or a convolution reads each cell of a map separately. */
function entersHead({ shapes }: Probe, entering: string, made: string, operator: string): boolean {
  const [before = [], after = []] = [shapes.get(entering), shapes.get(made)];
  if (!operator.startsWith('Conv')) return isVector(before);
  return before.length === 4 && before.slice(2).join() === after.slice(2).join();
}

function lengthOf(shape: readonly number[]): number {
  return (shape.length > 1 ? shape.slice(1) : shape).reduce((product, size) => product * size, 1);
}

function sumsToOne(values: readonly number[]): boolean {
  return values.every((value) => value >= 0) && Math.abs(values.reduce((sum, value) => sum + value, 0) - 1) < 1e-3;
}
