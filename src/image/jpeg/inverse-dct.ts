import {
  advance,
  type Code,
  get,
  I32,
  i32,
  plus,
  repeat,
  set,
  times,
  V128,
  type WasmFunction,
} from '../wasm-module.ts';
import {
  add,
  allBytes,
  allWords,
  flipBytes,
  interleave,
  loadVector,
  shift,
  shorts,
  shuffle,
  signedBytes,
  storeHalf,
  storeQuarter,
  subtract,
  timesShorts,
  transposed,
  weighted,
} from './vectors.ts';

/** Bytes of the coefficients of a block. */
export const BLOCK_BYTES = 128;
/** Parameters of both functions: a row of blocks, their divisors in natural order, and where the pixels are written. */
const [COEFFICIENTS, DIVISORS, COUNT, OUTPUT, STRIDE] = [0, 1, 2, 3, 4] as const;
const TO = 5;
const LINES = [6, 7, 8, 9, 10, 11, 12, 13];
const SPARE = [14, 15, 16, 17, 18, 19, 20, 21];
/** Of four columns: pairs of lines, and sums. */
const [EVEN_0, EVEN_2, ODD_1, ODD_5, SUM_0, SUM_1, SUM_2, SUM_3, ODD] = [22, 23, 24, 25, 26, 27, 28, 29, 30] as const;
/** The results of both halves. */
const HALVES = [SPARE, [31, 32, 33, 34, 35, 36, 37, 38]];
const LOCALS = [I32, ...Array<number>(33).fill(V128)];

const line = (at: number): Code => get(LINES[at] ?? 0);

/** Loads the coefficients of a block, times their divisors. */
const loadBlock = LINES.map((target, row) =>
  set(target, timesShorts(loadVector(get(COEFFICIENTS), 16 * row), loadVector(get(DIVISORS), 16 * row))),
);

/** Constants are numbers of 13 bits of fraction. */
const HALF_TURN = 8192;

/**
 * One dimension of the inverse DCT of eight values (Loeffler, Ligtenberg and Moschytz 1989) in each lane, with the
 * multiplications of each value added up: the sums are those of libjpeg's accurate integer method, to the last bit.
 */
function eightLines(bits: number): Code[] {
  const half = (which: number): Code[] => {
    const results = HALVES[which] ?? [];
    const butterfly = (at: number, sum: number, odd: Code): Code[] => [
      set(ODD, odd),
      set(results[at] ?? 0, shift(add(get(sum), get(ODD)), bits)),
      set(results[7 - at] ?? 0, shift(subtract(get(sum), get(ODD)), bits)),
    ];
    const odd = (one: number, three: number, five: number, seven: number): Code =>
      add(weighted(get(ODD_1), one, three), weighted(get(ODD_5), five, seven));
    return [
      set(EVEN_0, interleave(which, line(0), line(4))),
      set(EVEN_2, interleave(which, line(2), line(6))),
      set(ODD_1, interleave(which, line(1), line(3))),
      set(ODD_5, interleave(which, line(5), line(7))),
      set(SUM_0, add(weighted(get(EVEN_0), HALF_TURN, HALF_TURN), allWords(1 << (bits - 1)))),
      set(SUM_1, add(weighted(get(EVEN_0), HALF_TURN, -HALF_TURN), allWords(1 << (bits - 1)))),
      set(ODD, weighted(get(EVEN_2), 10703, 4433)),
      set(SUM_3, subtract(get(SUM_0), get(ODD))),
      set(SUM_0, add(get(SUM_0), get(ODD))),
      set(ODD, weighted(get(EVEN_2), 4433, -10704)),
      set(SUM_2, subtract(get(SUM_1), get(ODD))),
      set(SUM_1, add(get(SUM_1), get(ODD))),
      butterfly(0, SUM_0, odd(11363, 9633, 6437, 2260)),
      butterfly(1, SUM_1, odd(9633, -2259, -11362, -6436)),
      butterfly(2, SUM_2, odd(6437, -11362, 2261, 9633)),
      butterfly(3, SUM_3, odd(2260, -6436, 9633, -11363)),
    ];
  };
  return [
    half(0),
    half(1),
    LINES.map((target, at) => set(target, shorts(get(HALVES[0]?.[at] ?? 0), get(HALVES[1]?.[at] ?? 0)))),
  ];
}

/** The same for the four low frequencies, as libjpeg does it for images of half the size: of eight values, four. */
function fourLines(bits: number, halves: readonly number[]): Code[] {
  return halves.map((which) => {
    const results = HALVES[which] ?? [];
    const butterfly = (at: number, sum: number, odd: Code): Code[] => [
      set(ODD, odd),
      set(results[at] ?? 0, shift(add(get(sum), get(ODD)), bits)),
      set(results[3 - at] ?? 0, shift(subtract(get(sum), get(ODD)), bits)),
    ];
    const odd = (one: number, three: number, five: number, seven: number): Code =>
      add(weighted(get(ODD_1), one, three), weighted(get(ODD_5), five, seven));
    return [
      set(EVEN_0, interleave(which, line(0), line(0))),
      set(EVEN_2, interleave(which, line(2), line(6))),
      set(ODD_1, interleave(which, line(1), line(3))),
      set(ODD_5, interleave(which, line(5), line(7))),
      set(SUM_1, add(weighted(get(EVEN_0), 2 * HALF_TURN, 0), allWords(1 << (bits - 1)))),
      set(ODD, weighted(get(EVEN_2), 15137, -6270)),
      set(SUM_0, add(get(SUM_1), get(ODD))),
      set(SUM_1, subtract(get(SUM_1), get(ODD))),
      butterfly(0, SUM_0, odd(20995, 7373, -4926, -4176)),
      butterfly(1, SUM_1, odd(8697, -17799, 11893, -1730)),
    ];
  });
}

function perBlock(name: string, pixels: number, body: readonly Code[]): WasmFunction {
  const block = [loadBlock, body, advance(COEFFICIENTS, i32(BLOCK_BYTES)), advance(OUTPUT, i32(pixels))];
  return { name, parameters: 5, locals: LOCALS, body: [repeat(COUNT, block)] };
}

/** Blocks to 8 x 8 pixels each. */
const inverseDct8 = perBlock('inverseDct8', 8, [
  eightLines(11),
  transposed(LINES, SPARE),
  eightLines(18),
  transposed(LINES, SPARE),
  set(TO, get(OUTPUT)),
  [0, 2, 4, 6].map((row) => [
    set(ODD, flipBytes(signedBytes(line(row), line(row + 1)), allBytes(128))),
    storeHalf(get(TO), get(ODD), 0),
    storeHalf(plus(get(TO), get(STRIDE)), get(ODD), 1),
    advance(TO, times(get(STRIDE), i32(2))),
  ]),
]);

/** Words of four vectors, rows and columns swapped, as shorts of the first halves of `LINES`. */
const transposeFour: Code[] = [0, 1, 2, 3].map((column) => set(LINES[column] ?? 0, get(HALVES[0]?.[column] ?? 0)));

/** Blocks to 4 x 4 pixels each. */
const inverseDct4 = perBlock('inverseDct4', 4, [
  fourLines(12, [0, 1]),
  [0, 1, 2, 3].map((at) => set(LINES[at] ?? 0, shorts(get(HALVES[0]?.[at] ?? 0), get(HALVES[1]?.[at] ?? 0)))),
  [4, 5, 6, 7].map((at) => set(LINES[at] ?? 0, allBytes(0))),
  transposed(LINES, SPARE),
  fourLines(19, [0]),
  transposeFour,
  // All sixteen as bytes, column by column, and then row by row.
  set(ODD, flipBytes(signedBytes(shorts(line(0), line(1)), shorts(line(2), line(3))), allBytes(128))),
  set(ODD, shuffle(get(ODD), get(ODD), [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15])),
  set(TO, get(OUTPUT)),
  [0, 1, 2, 3].map((row) => [storeQuarter(get(TO), get(ODD), row), advance(TO, get(STRIDE))]),
]);

/** The functions of `InverseDctExports`. */
export const INVERSE_DCT_FUNCTIONS: readonly WasmFunction[] = [inverseDct8, inverseDct4];

type InverseDct = (coefficients: number, divisors: number, blocks: number, output: number, stride: number) => void;

/** Addresses and the stride are in bytes; `blocks` is above zero. Source of both: T.81, annex A, and libjpeg's integers. */
export interface InverseDctExports {
  readonly inverseDct8: InverseDct;
  readonly inverseDct4: InverseDct;
}
