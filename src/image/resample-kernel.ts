import {
  advance,
  get,
  I32,
  i32,
  load,
  plus,
  repeat,
  set,
  times,
  V128,
  vector,
  vectorAccess,
  type WasmFunction,
} from './wasm-module.ts';

/**
 * Weights are split into a high and a low part of 16 bits, since the vector unit multiplies numbers of 16 bits; the low
 * part has this many bits. The sums of both parts together are the sums of `resample`, to the last bit.
 */
export const LOW_BITS = 14;

/** What a table of `ResampleKernel` has for an output position: the offset of its first input, in bytes. */
export const OFFSET_BYTES = 4;
/** And for each pair of inputs: both high parts, then both low parts, as i16. */
export const PAIR_BYTES = 8;

/** Rows that are summed across at once: so many more may be read and written than there are. */
export const ROWS_AT_ONCE = 4;

/** Bytes of a row that are summed down at once; rows in between are multiples of it apart. */
export const BLOCK_BYTES = 16;

/** All addresses and strides are in bytes. */
export interface ResampleExports {
  /**
   * Sums pixels of three bytes of each row. The table's pairs are pixels beside each other. Reads up to eight bytes from
   * each pair, and writes a byte beyond each row.
   */
  readonly across: (
    source: number,
    sourceStride: number,
    rows: number,
    table: number,
    columns: number,
    pairs: number,
    output: number,
    outputStride: number,
  ) => void;
  /** Sums rows. The table's pairs are rows below each other. Writes `stride` bytes a row, later ones over earlier ones. */
  readonly down: (
    source: number,
    stride: number,
    rows: number,
    table: number,
    pairs: number,
    output: number,
    outputStride: number,
  ) => void;
}

const LOAD = 0x00;
const LOAD32_SPLAT = 0x09;
const STORE = 0x0b;
const CONST = 0x0c;
const SHUFFLE = 0x0d;
const SWIZZLE = 0x0e;
const LOAD64_ZERO = 0x5d;
const STORE32_LANE = 0x5a;
const BYTES_NARROWED = 0x66;
const SHORTS_NARROWED = 0x85;
const EXTEND_LOW = 0x89;
const EXTEND_HIGH = 0x8a;
const SHIFT_LEFT = 0xab;
const SHIFT_RIGHT = 0xac;
const ADD = 0xae;
const DOT = 0xba;

const ZERO = vector(CONST, [], Array<number>(16).fill(0));
/** The sum of a position begins with one half, so that it is rounded. */
const half = (fractionBits: number) => {
  const lane = [0, 1, 2, 3].map((byte) => ((2 ** (fractionBits - 1)) >>> (8 * byte)) & 255);
  return vector(CONST, [], [lane, lane, lane, lane].flat());
};

const addDot = (sum: number, pixels: number, weights: number) =>
  set(sum, vector(ADD, [get(sum), vector(DOT, [get(pixels), get(weights)])]));

/** Four sums as whole numbers. */
const whole = (high: number, low: number, fractionBits: number) =>
  vector(SHIFT_RIGHT, [vector(ADD, [vector(SHIFT_LEFT, [get(high), i32(LOW_BITS)]), get(low)]), i32(fractionBits)]);

/** Two neighbouring pixels as pairs of shorts: both reds, both greens, both blues. 255 makes a zero. */
const PAIRS_OF_PIXELS = [0, 255, 3, 255, 1, 255, 4, 255, 2, 255, 5, 255, 255, 255, 255, 255];

function across(fractionBits: number) {
  const [source, stride, rows, table, columns, pairs, output, outputStride] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
  const [at, offset, column, pair, to, highWeights, lowWeights, pixels] = [8, 9, 10, 11, 12, 17, 18, 19] as const;
  const each = Array.from({ length: ROWS_AT_ONCE }, (_, row) => ({
    row,
    from: 13 + row,
    high: 20 + 2 * row,
    low: 21 + 2 * row,
  }));
  const addPair = [
    set(highWeights, vectorAccess(LOAD32_SPLAT, [get(at)])),
    set(lowWeights, vectorAccess(LOAD32_SPLAT, [get(at)], 4)),
    each.map(({ from, high, low }) => [
      set(pixels, vector(SWIZZLE, [vectorAccess(LOAD64_ZERO, [get(from)]), vector(CONST, [], PAIRS_OF_PIXELS)])),
      addDot(high, pixels, highWeights),
      addDot(low, pixels, lowWeights),
      advance(from, i32(6)),
    ]),
    advance(at, i32(PAIR_BYTES)),
  ];
  const bytes = (high: number, low: number) =>
    vector(BYTES_NARROWED, [vector(SHORTS_NARROWED, [whole(high, low, fractionBits), ZERO]), ZERO]);
  const addColumn = [
    set(offset, load(get(at))),
    advance(at, i32(OFFSET_BYTES)),
    each.map(({ row, from, high, low }) => [
      set(from, plus(plus(get(source), get(offset)), times(get(stride), i32(row)))),
      set(high, ZERO),
      set(low, half(fractionBits)),
    ]),
    set(pair, get(pairs)),
    repeat(pair, addPair),
    // The fourth byte is overwritten by the next pixel.
    each.map(({ row, high, low }) =>
      vectorAccess(STORE32_LANE, [plus(get(to), times(get(outputStride), i32(row))), bytes(high, low)], 0, 0),
    ),
    advance(to, i32(3)),
  ];
  const addRows = [
    set(at, get(table)),
    set(to, get(output)),
    set(column, get(columns)),
    repeat(column, addColumn),
    advance(source, times(get(stride), i32(ROWS_AT_ONCE))),
    advance(output, times(get(outputStride), i32(ROWS_AT_ONCE))),
  ];
  const locals = [...Array<number>(9).fill(I32), ...Array<number>(3 + 2 * each.length).fill(V128)];
  return { name: 'across', parameters: 8, locals, body: [repeat(rows, addRows, ROWS_AT_ONCE)] };
}

function down(fractionBits: number) {
  const [source, stride, rows, table, pairs, output, outputStride] = [0, 1, 2, 3, 4, 5, 6] as const;
  const [start, from, to, at, rest, pair, upper, lower, pixels, highWeights, lowWeights] = [
    7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
  ] as const;
  const sums = [0, 1, 2, 3].map((quarter) => ({ quarter, high: 18 + 2 * quarter, low: 19 + 2 * quarter }));
  const interleaved = (half: number) => Array.from({ length: 16 }, (_, i) => half * 8 + (i >> 1) + (i % 2) * 16);
  const addPair = [
    set(upper, vectorAccess(LOAD, [get(from)])),
    set(lower, vectorAccess(LOAD, [plus(get(from), get(stride))])),
    set(highWeights, vectorAccess(LOAD32_SPLAT, [get(at)])),
    set(lowWeights, vectorAccess(LOAD32_SPLAT, [get(at)], 4)),
    sums.map(({ quarter, high, low }) => [
      set(
        pixels,
        vector(quarter % 2 === 0 ? EXTEND_LOW : EXTEND_HIGH, [
          vector(SHUFFLE, [get(upper), get(lower)], interleaved(quarter >> 1)),
        ]),
      ),
      addDot(high, pixels, highWeights),
      addDot(low, pixels, lowWeights),
    ]),
    advance(from, plus(get(stride), get(stride))),
    advance(at, i32(PAIR_BYTES)),
  ];
  const shorts = (first: number) =>
    vector(
      SHORTS_NARROWED,
      sums.slice(first, first + 2).map(({ high, low }) => whole(high, low, fractionBits)),
    );
  const addBlock = [
    set(from, get(start)),
    set(at, plus(get(table), i32(OFFSET_BYTES))),
    sums.map(({ high, low }) => [set(high, ZERO), set(low, half(fractionBits))]),
    set(pair, get(pairs)),
    repeat(pair, addPair),
    vectorAccess(STORE, [get(to), vector(BYTES_NARROWED, [shorts(0), shorts(2)])]),
    advance(start, i32(BLOCK_BYTES)),
    advance(to, i32(BLOCK_BYTES)),
  ];
  const addRow = [
    set(start, plus(get(source), load(get(table)))),
    set(to, get(output)),
    set(rest, get(stride)),
    repeat(rest, addBlock, BLOCK_BYTES),
    advance(output, get(outputStride)),
    set(table, get(at)),
  ];
  const locals = [...Array<number>(6).fill(I32), ...Array<number>(5 + 2 * sums.length).fill(V128)];
  return { name: 'down', parameters: 7, locals, body: [repeat(rows, addRow)] };
}

/** The loops of `resample` with vectors of 128 bits: the functions of `ResampleExports`. */
export const RESAMPLE_FUNCTIONS = (fractionBits: number): WasmFunction[] => [across(fractionBits), down(fractionBits)];
