import type { NodeProto } from '../formats/onnx/proto.ts';
import { ARITHMETIC, type GraphView } from './graph-view.ts';

/** Operators before the first layer that do not scale pixels. */
const UNSCALED = ['Identity', 'Cast', 'Transpose', 'Resize', 'Upsample'];
/** Of batch norms, whatever theirs is: it is small beside the variance of pixels. */
const EPSILON = 1e-5;

/** `x * scale + shift`, averaged over the channels. */
interface Affine {
  readonly scale: number;
  readonly shift: number;
}

/**
 * The largest value of a pixel, 255 or 1, that a graph expects which scales its input itself: its first operations take
 * pixels of that range to numbers of about -3..3. Undefined when it does not scale them, or when they do not tell.
 * @param input name of the graph's input
 */
export function pixelMaximum(view: GraphView, input: string): 255 | 1 | undefined {
  const { scale, shift } = firstScaling(view, input);
  // Only a mean is subtracted, as Caffe's networks do.
  if (Math.abs(scale - 1) < 1e-6) {
    if (shift <= -20) return 255;
    return shift < -0.1 && shift > -1 ? 1 : undefined;
  }
  if (scale > 0 && scale < 0.1) return 255;
  return scale >= 1.5 ? 1 : undefined;
}

function firstScaling(view: GraphView, input: string): Affine {
  let value = input;
  let total: Affine = { scale: 1, shift: 0 };
  for (;;) {
    const readers = view.nodes.filter(({ inputs = [], operator }) => inputs.includes(value) && operator !== 'Shape');
    const [reader, ...others] = readers;
    if (reader === undefined || others.length > 0) return total;
    const step = UNSCALED.includes(reader.operator ?? '') ? { scale: 1, shift: 0 } : affineOf(view, reader, value);
    if (step === undefined) return total;
    total = { scale: total.scale * step.scale, shift: total.shift * step.scale + step.shift };
    value = reader.outputs?.[0] ?? '';
  }
}

/** Undefined when the node computes anything else. */
function affineOf(view: GraphView, { operator = '', inputs = [] }: NodeProto, value: string): Affine | undefined {
  const [first = '', second = '', ...rest] = inputs;
  if (operator === 'BatchNormalization' && first === value) {
    const [gamma, beta, mean, variance] = [second, ...rest].map((name) => view.numbers(name));
    if (gamma === undefined || beta === undefined || mean === undefined || variance === undefined) return undefined;
    const scales = gamma.map((factor, channel) => factor / Math.sqrt((variance[channel] ?? 1) + EPSILON));
    const shifts = scales.map((scale, channel) => (beta[channel] ?? 0) - (mean[channel] ?? 0) * scale);
    return { scale: average(scales), shift: average(shifts) };
  }
  // The constant of a difference or a quotient must be what is subtracted or divided by.
  const isCommutative = operator === 'Add' || operator === 'Mul';
  if (!ARITHMETIC.includes(operator) || (first !== value && !isCommutative)) return undefined;
  const constants = view.numbers(first === value ? second : first);
  if (constants === undefined || constants.length === 0) return undefined;
  const constant = average(constants);
  if (operator === 'Mul') return { scale: constant, shift: 0 };
  if (operator === 'Div') return { scale: average(constants.map((each) => 1 / each)), shift: 0 };
  return { scale: 1, shift: operator === 'Add' ? constant : -constant };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
