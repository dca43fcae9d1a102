/** The kernels of Pillow's `resize` that widen with the shrink factor, by timm's names. */
export type Kernel = 'bilinear' | 'bicubic' | 'lanczos';

/** A rectangle in pixels. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** 8-bit RGB pixels, row by row. */
export interface RgbImage {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
}

interface Filter {
  readonly support: number;
  readonly weight: (distance: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Triangle; Keys's cubic with a = -1/2; sinc windowed by sinc over three lobes. */
const FILTERS: Readonly<Record<Kernel, Filter>> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    weight: (distance) => {
      const x = Math.abs(distance);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Weights are fixed-point numbers with this many fraction bits, so that the sums are exact and equal to Pillow's. */
export const FRACTION_BITS = 22;

/** The input positions that an output position sums, from `first` on, and their weights. */
export interface Taps {
  readonly first: number;
  readonly weights: Int32Array;
}

/**
 * The taps of `count` output positions from `from` on.
 * @param extent how much of the input the output shows, if that is no whole number
 */
export function tapsAlong(
  inputSize: number,
  outputSize: number,
  from: number,
  count: number,
  kernel: Kernel,
  extent = inputSize,
): Taps[] {
  const filter = FILTERS[kernel];
  const scale = extent / outputSize;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const all: Taps[] = [];
  for (let to = from; to < from + count; to += 1) {
    const center = (to + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(inputSize, Math.trunc(center + support + 0.5));
    const raw = new Float64Array(end - first);
    let sum = 0;
    for (let i = 0; i < raw.length; i += 1) {
      const weight = filter.weight((first + i - center + 0.5) / stretch);
      raw[i] = weight;
      sum += weight;
    }
    const weights = new Int32Array(raw.length);
    for (let i = 0; i < raw.length; i += 1) weights[i] = Math.round(((raw[i] ?? 0) / sum) * 2 ** FRACTION_BITS);
    all.push({ first, weights });
  }
  return all;
}

function clampedByte(sum: number): number {
  return Math.max(0, Math.min(255, (sum + 2 ** (FRACTION_BITS - 1)) >> FRACTION_BITS));
}

/**
 * Resizes to `width` x `height` with antialiasing and aligned pixel centres, and returns the part of the result inside
 * `window`: `window.height * window.width * 3` bytes. The result is bit for bit that of Pillow's `Image.resize`
 * (separable, horizontal before vertical, rounded to bytes in between). Runs on the calling thread in time proportional
 * to the size of the source, so it is for small sources.
 */
export function resample(source: RgbImage, width: number, height: number, window: Window, kernel: Kernel): Uint8Array {
  const across = tapsAlong(source.width, width, window.left, window.width, kernel);
  const down = tapsAlong(source.height, height, window.top, window.height, kernel);
  const firstRow = down[0]?.first ?? 0;
  const lastTaps = down.at(-1);
  const rows = (lastTaps === undefined ? 0 : lastTaps.first + lastTaps.weights.length) - firstRow;

  const narrowed = new Uint8Array(rows * window.width * 3);
  for (let row = 0; row < rows; row++) {
    const line = source.pixels.subarray((firstRow + row) * source.width * 3, (firstRow + row + 1) * source.width * 3);
    sumAcross(line, across, narrowed.subarray(row * window.width * 3, (row + 1) * window.width * 3));
  }
  const result = new Uint8Array(window.height * window.width * 3);
  const stride = window.width * 3;
  const sums = new Int32Array(stride);
  down.forEach(({ first, weights }, row) => {
    sumDown(narrowed, { first: first - firstRow, weights }, sums, result.subarray(row * stride, (row + 1) * stride));
  });
  return result;
}

function sumAcross(line: Uint8Array, across: readonly Taps[], output: Uint8Array): void {
  let at = 0;
  for (const { first, weights } of across) {
    let red = 0;
    let green = 0;
    let blue = 0;
    let from = first * 3;
    for (let tap = 0; tap < weights.length; tap++) {
      const weight = weights[tap] ?? 0;
      red += Math.imul(weight, line[from] ?? 0);
      green += Math.imul(weight, line[from + 1] ?? 0);
      blue += Math.imul(weight, line[from + 2] ?? 0);
      from += 3;
    }
    output[at] = clampedByte(red);
    output[at + 1] = clampedByte(green);
    output[at + 2] = clampedByte(blue);
    at += 3;
  }
}

/** Row after row, so that memory is read in its order. @param sums scratch of the length of a row */
function sumDown(image: Uint8Array, { first, weights }: Taps, sums: Int32Array, output: Uint8Array): void {
  sums.fill(0);
  for (let tap = 0; tap < weights.length; tap++) {
    const weight = weights[tap] ?? 0;
    const from = (first + tap) * sums.length;
    for (let column = 0; column < sums.length; column++) {
      sums[column] = (sums[column] ?? 0) + Math.imul(weight, image[from + column] ?? 0);
    }
  }
  for (let column = 0; column < sums.length; column++) output[column] = clampedByte(sums[column] ?? 0);
}
