import type { PixelTensor } from '../../common/tensor.ts';
import { ConversionError } from '../conversion-error.ts';
import { DATA_TYPE } from '../formats/onnx/proto.ts';
import type { OnnxFile } from '../formats/onnx/reader.ts';
import type { Pair } from '../graph/windows.ts';
import { firstOperations } from './first-operations.ts';
import type { GraphView } from './graph-view.ts';
import type { ImageInput } from './input.ts';
import { evaluateValues } from './probe.ts';

/** Sizes on which a model of dynamic size is tried. */
const TRIED_SIZES = [64, 96] as const;
/** Share of the largest effect of a colour from which another effect of it counts. */
const NOTICEABLE = 0.01;

/** What the first operations make of pixels: `value * scale + shift`, for each colour channel of the input. */
export interface FirstScaling {
  readonly scale: readonly number[];
  readonly shift: readonly number[];
  /** The least and largest value that remain apart when the first layer quantizes its input. */
  readonly interval: readonly [number, number] | undefined;
  /** Height and width to which the graph resizes images of any size. */
  readonly resizedTo: Pair | undefined;
}

/**
 * Finds what the first operations do to pixels by computing it: they are run on images of one colour.
 *
 * @param folder for temporary models
 * @returns undefined when they mix the colours, when several values enter layers that were scaled differently, or when
 * they cannot be run alone
 */
export async function measureFirstScaling(
  file: OnnxFile,
  view: GraphView,
  input: ImageInput,
  folder: string,
): Promise<FirstScaling | undefined> {
  const { ends } = firstOperations(view, input.name);
  const isOpen = input.height === undefined && input.width === undefined;
  const [size, other] = TRIED_SIZES.map((side): Pair => [input.height ?? side, input.width ?? side]);
  if (size === undefined || other === undefined) return undefined;
  try {
    const found = await measured(file, view, input, ends, size, folder);
    const [first, ...others] = found;
    if (first === undefined || !others.every((end) => isSame(end, first))) return undefined;
    const again = isOpen ? (await measured(file, view, input, ends, other, folder))[0] : undefined;
    const isFixed = again !== undefined && again.size.join() === first.size.join();
    return { ...first, resizedTo: isFixed ? first.size : undefined };
  } catch (thrown) {
    if (thrown instanceof ConversionError) return undefined;
    throw thrown;
  }
}

interface MeasuredEnd extends Omit<FirstScaling, 'resizedTo'> {
  readonly size: Pair;
}

/** Those of `ends` that are images. @throws ConversionError when they cannot be computed, or mix the colours */
async function measured(
  file: OnnxFile,
  view: GraphView,
  input: ImageInput,
  ends: readonly string[],
  size: Pair,
  folder: string,
): Promise<MeasuredEnd[]> {
  // Of float16, a step of one would be lost beside a shift.
  const step = input.elementType === DATA_TYPE.float16 ? 16 : 1;
  const colours =
    input.channels === 1 ? [[step, step, step]] : [0, 1, 2].map((at) => [0, 1, 2].map((c) => (c === at ? step : 0)));
  const images = [[0, 0, 0], ...colours].map((colour) => plainImage(colour, input.batch ?? 1, size));
  // The input as it is: a model of bytes takes no other scale.
  const options = { inputSize: size, mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255], channel_order: 'rgb' } as const;
  const answers = await evaluateValues(file, view, input, ends, images, options, folder);
  return ends.flatMap((end) => {
    const shape = answers[0]?.get(end)?.shape ?? [];
    if (shape.length !== 4) return [];
    const [dark, ...lit] = answers.map((values) => middleOf(values.get(end)?.numbers ?? [], shape, input.channels));
    if (dark === undefined) return [];
    const effects = lit.map((middle) =>
      middle.channels.map((value, channel) => (value - (dark.channels[channel] ?? 0)) / step),
    );
    const routes = effects.map((effect) => {
      const largest = effect.reduce(
        (best, value, at) => (Math.abs(value) > Math.abs(effect[best] ?? 0) ? at : best),
        0,
      );
      const noticeable = effect.filter((value) => Math.abs(value) > NOTICEABLE * Math.abs(effect[largest] ?? 0));
      if (noticeable.length > 1) throw new ConversionError('the first operations mix the colours');
      return { scale: effect[largest] ?? 0, shift: dark.channels[largest] ?? 0 };
    });
    const [scale, shift] = [routes.map((route) => route.scale), routes.map((route) => route.shift)];
    return [{ scale, shift, interval: quantizedInterval(view, end), size: dark.size }];
  });
}

function isSame(a: MeasuredEnd, b: MeasuredEnd): boolean {
  const isClose = (value: number, other: number | undefined) =>
    Math.abs(value - (other ?? Number.NaN)) <= 1e-3 * Math.max(1e-3, Math.abs(value));
  return (
    a.scale.every((value, at) => isClose(value, b.scale[at])) &&
    a.shift.every((value, at) => isClose(value, b.shift[at]))
  );
}

function plainImage(colour: readonly number[], count: number, [height, width]: Pair): PixelTensor {
  const data = Uint8Array.from({ length: count * height * width * 3 }, (_, at) => colour[at % 3] ?? 0);
  return { data, shape: [count, height, width, 3] };
}

/** The channels in the middle of the first image, far from what borders are padded with. */
function middleOf(numbers: ArrayLike<number>, shape: readonly number[], channels: number) {
  const [, a = 1, b = 1, c = 1] = shape;
  const isLast = c === channels && a !== channels;
  const [count, height, width] = isLast ? [c, a, b] : [a, b, c];
  const at = Math.floor(height / 2) * width + Math.floor(width / 2);
  const position = (channel: number) => (isLast ? at * count + channel : channel * height * width + at);
  const values = Array.from({ length: count }, (_, channel) => numbers[position(channel)] ?? 0);
  const size: Pair = [height, width];
  return { channels: values, size };
}

/** The range of a value that is quantized with one constant scale. */
function quantizedInterval(view: GraphView, value: string): readonly [number, number] | undefined {
  const node = view.nodes.find(({ operator, inputs = [] }) => operator === 'QuantizeLinear' && inputs[0] === value);
  const [, scaleName = '', zeroName] = node?.inputs ?? [];
  const [scale, ...more] = view.numbers(scaleName) ?? [];
  if (scale === undefined || more.length > 0) return undefined;
  const zero = zeroName === undefined || zeroName === '' ? { value: 0, least: 0 } : view.byte(zeroName);
  return zero && [(zero.least - zero.value) * scale, (zero.least + 255 - zero.value) * scale];
}
