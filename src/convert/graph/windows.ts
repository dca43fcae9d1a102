import { ConversionError } from '../conversion-error.ts';

/** Height and width. */
export type Pair = readonly [height: number, width: number];

/** Rows and columns that are added around a map. */
export interface Padding {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** The window that a convolution or a pool moves over a map; sizes are in cells of the map. */
export interface SlidingWindow {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
}

export const NO_PADDING: Padding = { top: 0, bottom: 0, left: 0, right: 0 };

/** A single number is for both directions. */
export function pair(value: number | Pair): Pair {
  return typeof value === 'number' ? [value, value] : value;
}

/** The same padding on opposite sides: PyTorch's `padding`. */
export function symmetricPadding(amount: number | Pair): Padding {
  const [rows, columns] = pair(amount);
  return { top: rows, bottom: rows, left: columns, right: columns };
}

/** TensorFlow's `same` padding: the output has `ceil(size / stride)` cells; an odd row or column goes to the end. */
export function samePadding(size: Pair, kernel: Pair, stride: Pair): Padding {
  const [top, bottom] = sameEnds(size[0], kernel[0], stride[0]);
  const [left, right] = sameEnds(size[1], kernel[1], stride[1]);
  return { top, bottom, left, right };
}

function sameEnds(size: number, kernel: number, stride: number): Pair {
  const total = Math.max((Math.ceil(size / stride) - 1) * stride + kernel - size, 0);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

/** PyTorch's `ceil_mode` as padding at the end of the map: the last window counts even if it is not whole. */
export function ceilPadding(size: Pair, kernel: Pair, stride: Pair): Padding {
  return {
    top: 0,
    bottom: ceilEnd(size[0], kernel[0], stride[0]),
    left: 0,
    right: ceilEnd(size[1], kernel[1], stride[1]),
  };
}

/** A window that begins after the map does not count; this happens when the stride exceeds the kernel. */
function ceilEnd(size: number, kernel: number, stride: number): number {
  const windows = Math.ceil((size - kernel) / stride) + 1;
  const last = (windows - 1) * stride >= size ? windows - 2 : windows - 1;
  return Math.max(last * stride + kernel - size, 0);
}

/**
 * The sliding window that is equivalent to PyTorch's adaptive pool, whose output i covers floor(i * size / out) to
 * ceil((i + 1) * size / out).
 *
 * @throws ConversionError when there is none, since the windows differ in size or distance
 */
export function adaptiveWindow(size: Pair, out: Pair): SlidingWindow {
  const [rows, columns] = [adaptiveAxis(size[0], out[0]), adaptiveAxis(size[1], out[1])];
  if (rows === undefined || columns === undefined) {
    throw new ConversionError(`a map of ${size.join('x')} cannot be pooled evenly to ${out.join('x')}`);
  }
  return { kernel: [rows[0], columns[0]], stride: [rows[1], columns[1]], padding: NO_PADDING };
}

function adaptiveAxis(size: number, out: number): [kernel: number, stride: number] | undefined {
  const begin = (index: number) => Math.floor((index * size) / out);
  const length = (index: number) => Math.ceil(((index + 1) * size) / out) - begin(index);
  const [kernel, stride] = [length(0), out > 1 ? begin(1) : 1];
  const even = Array.from({ length: out }, (_, index) => length(index) === kernel && begin(index) === index * stride);
  return stride > 0 && even.every(Boolean) ? [kernel, stride] : undefined;
}

/** The size of the output of a window; less than 1 when the window does not fit into the map. */
export function windowOutput(size: Pair, { kernel, stride, padding }: SlidingWindow): Pair {
  return [
    Math.floor((size[0] + padding.top + padding.bottom - kernel[0]) / stride[0]) + 1,
    Math.floor((size[1] + padding.left + padding.right - kernel[1]) / stride[1]) + 1,
  ];
}

export function paddingEquals(a: Padding, b: Padding): boolean {
  return a.top === b.top && a.bottom === b.bottom && a.left === b.left && a.right === b.right;
}
