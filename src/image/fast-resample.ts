import { hasPixelKernel, MemoryPlan, type PixelKernel } from './pixel-kernel.ts';
import { type Kernel, type RgbImage, resample, type Taps, tapsAlong, type Window } from './resample.ts';
import { BLOCK_BYTES, LOW_BITS, OFFSET_BYTES, PAIR_BYTES, ROWS_AT_ONCE } from './resample-kernel.ts';

const LOW_MASK = 2 ** LOW_BITS - 1;

/** How an image is resized. */
export interface Resize {
  readonly width: number;
  readonly height: number;
  /** The part of the resized image that is computed, with at least one pixel. */
  readonly window: Window;
  readonly interpolation: Kernel;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** `resample` in WebAssembly: the same bytes in a fortieth of the time. Rows of the source are taken in their order. */
export class Resampling {
  /** The part of the source that is read. */
  readonly seen: Window;
  readonly #window: Window;
  readonly #across: readonly Taps[];
  readonly #down: readonly Taps[];
  readonly #acrossPairs: number;
  readonly #downPairs: number;
  readonly #stride: number;
  readonly #acrossTable: number;
  readonly #downTable: number;
  readonly #narrowed: number;
  readonly #result: number;

  /**
   * @param source its size
   * @param plan memory is taken from it
   * @param extent how much of the source the resized image shows, if its last pixels lie partly beyond the picture
   */
  constructor(source: Size, { width, height, window, interpolation }: Resize, plan: MemoryPlan, extent = source) {
    this.#window = window;
    this.#across = knownTaps(source.width, width, window.left, window.width, interpolation, extent.width);
    this.#down = knownTaps(source.height, height, window.top, window.height, interpolation, extent.height);
    const [left, right] = ends(this.#across);
    const [top, bottom] = ends(this.#down);
    this.seen = { left, top, width: right - left, height: bottom - top };
    this.#acrossPairs = pairsOf(this.#across);
    this.#downPairs = pairsOf(this.#down);
    this.#stride = Math.ceil((window.width * 3 + 1) / BLOCK_BYTES) * BLOCK_BYTES;
    // Each with the bytes that are written beyond it.
    this.#acrossTable = plan.take(this.#across.length * (OFFSET_BYTES + this.#acrossPairs * PAIR_BYTES));
    this.#downTable = plan.take(this.#down.length * (OFFSET_BYTES + this.#downPairs * PAIR_BYTES));
    this.#narrowed = plan.take((this.seen.height + Math.max(ROWS_AT_ONCE, 2 * this.#downPairs)) * this.#stride);
    this.#result = plan.take(window.height * window.width * 3 + this.#stride);
  }

  /** Bytes of memory beyond the rows of `sumAcross` that are read. */
  get beyond(): number {
    return this.#acrossPairs * 6 + 8;
  }

  /** Before the first row. */
  begin({ memory: { buffer } }: PixelKernel): void {
    writeTable(new Int32Array(buffer, this.#acrossTable), this.#across, this.#acrossPairs, 3, this.seen.left);
    writeTable(new Int32Array(buffer, this.#downTable), this.#down, this.#downPairs, this.#stride, this.seen.top);
  }

  /**
   * Takes rows of `seen`. Up to `ROWS_AT_ONCE` - 1 more are read.
   * @param address of the first pixel
   * @param from which row of `seen` the first is
   */
  sumAcross(kernel: PixelKernel, address: number, stride: number, from: number, rows: number): void {
    const output = this.#narrowed + from * this.#stride;
    const [columns, pairs] = [this.#across.length, this.#acrossPairs];
    kernel.across(address, stride, rows, this.#acrossTable, columns, pairs, output, this.#stride);
  }

  /** After the last row: the pixels of the window. */
  end(kernel: PixelKernel): Uint8Array<ArrayBuffer> {
    const { width, height } = this.#window;
    kernel.down(this.#narrowed, this.#stride, height, this.#downTable, this.#downPairs, this.#result, width * 3);
    return new Uint8Array(kernel.memory.buffer).slice(this.#result, this.#result + height * width * 3);
  }
}

/** `resample` at the speed of WebAssembly, if there is any. Runs on the calling thread: 1 ms for a megapixel. */
export function fastResample(
  source: RgbImage,
  width: number,
  height: number,
  window: Window,
  interpolation: Kernel,
): Uint8Array {
  if (!hasPixelKernel()) return resample(source, width, height, window, interpolation);
  if (window.width === 0 || window.height === 0) return new Uint8Array(0);
  const plan = new MemoryPlan();
  const resampling = new Resampling(source, { width, height, window, interpolation }, plan);
  const { left, top, height: rows } = resampling.seen;
  const stride = source.width * 3;
  const address = plan.take((rows + ROWS_AT_ONCE) * stride + resampling.beyond);
  const kernel = plan.kernel();
  resampling.begin(kernel);
  new Uint8Array(kernel.memory.buffer).set(source.pixels.subarray(top * stride, (top + rows) * stride), address);
  resampling.sumAcross(kernel, address + left * 3, stride, 0, rows);
  return resampling.end(kernel);
}

/** Photos often have the same size, and taps take as long as the rest for small ones. */
const known = new Map<string, Taps[]>();
const MAX_KNOWN = 64;
/** Taps of longer sides, which few images have, are not kept: those of a million pixels take 16 MB. */
const MAX_KNOWN_SIDE = 8_192;

function knownTaps(...sides: Parameters<typeof tapsAlong>): Taps[] {
  if (sides[0] > MAX_KNOWN_SIDE) return tapsAlong(...sides);
  const key = sides.join(' ');
  const taps = known.get(key) ?? tapsAlong(...sides);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, taps);
  return taps;
}

/** The first input of all taps, and the one after the last. */
function ends(all: readonly Taps[]): [first: number, end: number] {
  const last = all.at(-1);
  return [all[0]?.first ?? 0, last === undefined ? 0 : last.first + last.weights.length];
}

const pairsOf = (all: readonly Taps[]): number =>
  Math.ceil(all.reduce((most, { weights }) => Math.max(most, weights.length), 0) / 2);

/**
 * @param step bytes between an input and the next
 * @param origin the input at the beginning of the memory
 */
function writeTable(table: Int32Array, all: readonly Taps[], pairs: number, step: number, origin: number): void {
  let at = 0;
  for (const { first, weights } of all) {
    table[at] = (first - origin) * step;
    at += OFFSET_BYTES / 4;
    for (let tap = 0; tap < 2 * pairs; tap += 2) {
      const one = tap < weights.length ? (weights[tap] ?? 0) : 0;
      const other = tap + 1 < weights.length ? (weights[tap + 1] ?? 0) : 0;
      table[at] = ((one >> LOW_BITS) & 0xffff) | ((other >> LOW_BITS) << 16);
      table[at + 1] = (one & LOW_MASK) | ((other & LOW_MASK) << 16);
      at += PAIR_BYTES / 4;
    }
  }
}
