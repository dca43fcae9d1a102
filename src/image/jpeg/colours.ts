import { advance, type Code, get, i32, plus, repeat, set, V128, type WasmFunction } from '../wasm-module.ts';
import {
  add,
  addShorts,
  allShorts,
  allWords,
  interleave,
  loadShorts,
  loadVector,
  shift,
  shiftShorts,
  shorts,
  shuffle,
  splatShort,
  storeVector,
  subtractShorts,
  timesShorts,
  unsignedBytes,
  weighted,
} from './vectors.ts';

/** Pixels that the functions write at once. */
export const PIXELS_AT_ONCE = 16;
const RGB_BYTES = 3 * PIXELS_AT_ONCE;

const HALF = 1 << 15;
/** Red, green and blue of eight pixels from their shorts of luma, blue and red difference (JFIF), rounded as libjpeg does. */
function toRgb(
  luma: number,
  blue: number,
  red: number,
  results: readonly [number, number, number],
  spare: readonly [number, number],
): Code[] {
  const [low, high] = spare;
  // Weights have 16 bits of fraction; what does not fit into a short of them is added as whole numbers.
  const part = (blueWeight: number, redWeight: number): Code => {
    const sum = (pairs: number) => shift(add(weighted(get(pairs), blueWeight, redWeight), allWords(HALF)), 16);
    return shorts(sum(low), sum(high));
  };
  const [r, g, b] = results;
  return [
    set(low, interleave(0, get(blue), get(red))),
    set(high, interleave(1, get(blue), get(red))),
    set(r, addShorts(addShorts(get(luma), get(red)), part(0, 26_345))),
    set(g, addShorts(subtractShorts(get(luma), get(red)), part(-22_554, 18_734))),
    set(b, addShorts(addShorts(get(luma), addShorts(get(blue), get(blue))), part(-14_942, 0))),
  ];
}

/** Bytes of sixteen reds, greens and blues to RGB. */
function storeRgb(to: number, [r, g, b]: readonly [number, number, number]): Code[] {
  return [0, 1, 2].map((third) => {
    const bytes = Array.from({ length: 16 }, (_, at) => third * 16 + at);
    const redGreen = bytes.map((at) => (at % 3 === 0 ? 0 : 16) + Math.floor(at / 3));
    const withBlue = bytes.map((at, lane) => (at % 3 === 2 ? 16 + Math.floor(at / 3) : lane));
    return storeVector(get(to), shuffle(shuffle(get(r), get(g), redGreen), get(b), withBlue), third * 16);
  });
}

/** Both halves of sixteen pixels: luma, blue and red difference are in these locals. */
function storePixels(
  to: number,
  luma: readonly number[],
  blue: readonly number[],
  red: readonly number[],
  free: number,
): Code[] {
  const halves = [0, 1].map((half) => [free + 3 * half, free + 3 * half + 1, free + 3 * half + 2] as const);
  const [first = [0, 0, 0] as const, second = [0, 0, 0] as const] = halves;
  return [
    halves.map((results, half) =>
      toRgb(luma[half] ?? 0, blue[half] ?? 0, red[half] ?? 0, results, [free + 6, free + 7]),
    ),
    [0, 1, 2].map((channel) =>
      set(first[channel] ?? 0, unsignedBytes(get(first[channel] ?? 0), get(second[channel] ?? 0))),
    ),
    storeRgb(to, first),
    advance(to, i32(RGB_BYTES)),
  ];
}

const loadLuma = (from: number, to: readonly [number, number]): Code[] => [
  set(to[0], loadShorts(get(from))),
  set(to[1], loadShorts(get(from), 8)),
  advance(from, i32(PIXELS_AT_ONCE)),
];

/** Chroma in the size of luma. */
function fullChroma(): WasmFunction {
  const [luma, blue, red, output, count] = [0, 1, 2, 3, 4] as const;
  const centred = (from: number, to: readonly [number, number]) => [
    loadLuma(from, to),
    to.map((local) => set(local, subtractShorts(get(local), allShorts(128)))),
  ];
  const step = [
    loadLuma(luma, [5, 6]),
    centred(blue, [7, 8]),
    centred(red, [9, 10]),
    storePixels(output, [5, 6], [7, 8], [9, 10], 11),
  ];
  return { name: 'fullChroma', parameters: 5, locals: Array<number>(14).fill(V128), body: [repeat(count, step)] };
}

/**
 * Chroma of half the width, and of half the height too when its nearest and its second nearest row differ. Three parts
 * of the nearest and one of the second nearest are mixed in both directions, as libjpeg's "fancy" upsampling does.
 */
function halfChroma(): WasmFunction {
  const [luma, blue, blueFar, red, redFar, evenBias, oddBias, output, count] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
  const [even, odd, before, here, after, mixedEven, mixedOdd] = [9, 10, 11, 12, 13, 14, 15] as const;
  const three = (value: Code) => timesShorts(value, allShorts(3));
  const upsampled = (near: number, far: number, to: readonly [number, number]): Code[] => {
    const rows = (offset: number) => {
      const at = (from: number) => loadShorts(plus(get(from), i32(offset)));
      return addShorts(three(at(near)), at(far));
    };
    const mixed = (neighbour: number, bias: number) =>
      subtractShorts(shiftShorts(addShorts(addShorts(three(get(here)), get(neighbour)), get(bias)), 4), allShorts(128));
    return [
      set(before, rows(-1)),
      set(here, rows(0)),
      set(after, rows(1)),
      set(mixedEven, mixed(before, even)),
      set(mixedOdd, mixed(after, odd)),
      to.map((local, half) => set(local, interleave(half, get(mixedEven), get(mixedOdd)))),
      advance(near, i32(PIXELS_AT_ONCE / 2)),
      advance(far, i32(PIXELS_AT_ONCE / 2)),
    ];
  };
  const step = [
    loadLuma(luma, [16, 17]),
    upsampled(blue, blueFar, [18, 19]),
    upsampled(red, redFar, [20, 21]),
    storePixels(output, [16, 17], [18, 19], [20, 21], 22),
  ];
  return {
    name: 'halfChroma',
    parameters: 9,
    locals: Array<number>(21).fill(V128),
    body: [set(even, splatShort(get(evenBias))), set(odd, splatShort(get(oddBias))), repeat(count, step)],
  };
}

/** Grey to three equal channels. */
function grey(): WasmFunction {
  const [luma, output, count, bytes] = [0, 1, 2, 3] as const;
  const step = [
    set(bytes, loadVector(get(luma))),
    advance(luma, i32(PIXELS_AT_ONCE)),
    storeRgb(output, [bytes, bytes, bytes]),
    advance(output, i32(RGB_BYTES)),
  ];
  return { name: 'grey', parameters: 3, locals: [V128], body: [repeat(count, step)] };
}

/** The functions of `ColourExports`. */
export const COLOUR_FUNCTIONS: readonly WasmFunction[] = [fullChroma(), halfChroma(), grey()];

/** Rows of planes to RGB. Addresses are in bytes; `count` is the number of steps of `PIXELS_AT_ONCE` pixels, above zero. */
export interface ColourExports {
  readonly fullChroma: (luma: number, blue: number, red: number, output: number, count: number) => void;
  /**
   * Reads a byte before and after what it converts. Sums get a bias before they are shifted: of even and of odd pixels.
   */
  readonly halfChroma: (
    luma: number,
    blue: number,
    blueFar: number,
    red: number,
    redFar: number,
    evenBias: number,
    oddBias: number,
    output: number,
    count: number,
  ) => void;
  readonly grey: (luma: number, output: number, count: number) => void;
}
