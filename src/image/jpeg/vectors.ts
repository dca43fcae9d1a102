import { type Code, get, set, vector, vectorAccess } from '../wasm-module.ts';

/** Operators of the vector extension that the decoder of JPEGs uses, by their numbers (WebAssembly core specification). */
const LOAD8X8 = 0x02;
const CONST = 0x0c;
const SHUFFLE = 0x0d;
const SPLAT16 = 0x10;
const BYTES_SIGNED = 0x65;
const BYTES_UNSIGNED = 0x66;
const SHORTS_NARROWED = 0x85;
const STORE32_LANE = 0x5a;
const STORE64_LANE = 0x5b;
const XOR = 0x51;
const SHIFT_SHORTS = 0x8c;
const ADD_SHORTS = 0x8e;
const SUBTRACT_SHORTS = 0x91;
const TIMES_SHORTS = 0x95;
const SHIFT = 0xac;
const ADD = 0xae;
const SUBTRACT = 0xb1;
const DOT = 0xba;

const constant = (bytes: readonly number[]): Code => vector(CONST, [], bytes);
const littleEndian = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, at) => (value >> (8 * at)) & 255);

export const allBytes = (value: number): Code => constant(Array<number>(16).fill(value));
export const allShorts = (value: number): Code => constant(Array<number[]>(8).fill(littleEndian(value, 2)).flat());
/** Four times two shorts. */
const allPairs = (one: number, other: number): Code =>
  constant(
    Array<number[]>(4)
      .fill([...littleEndian(one, 2), ...littleEndian(other, 2)])
      .flat(),
  );
export const allWords = (value: number): Code => constant(Array<number[]>(4).fill(littleEndian(value, 4)).flat());

export const loadVector = (address: Code, offset = 0): Code => vectorAccess(0x00, [address], offset);
export const storeVector = (address: Code, value: Code, offset = 0): Code =>
  vectorAccess(0x0b, [address, value], offset);
/** Eight bytes as shorts. */
export const loadShorts = (address: Code, offset = 0): Code => vectorAccess(LOAD8X8, [address], offset);
export const storeHalf = (address: Code, value: Code, half: number, offset = 0): Code =>
  vectorAccess(STORE64_LANE, [address, value], offset, half);
export const storeQuarter = (address: Code, value: Code, quarter: number): Code =>
  vectorAccess(STORE32_LANE, [address, value], 0, quarter);

export const splatShort = (value: Code): Code => vector(SPLAT16, [value]);
export const flipBytes = (a: Code, b: Code): Code => vector(XOR, [a, b]);
export const addShorts = (a: Code, b: Code): Code => vector(ADD_SHORTS, [a, b]);
export const subtractShorts = (a: Code, b: Code): Code => vector(SUBTRACT_SHORTS, [a, b]);
export const timesShorts = (a: Code, b: Code): Code => vector(TIMES_SHORTS, [a, b]);
export const shiftShorts = (a: Code, bits: number): Code => vector(SHIFT_SHORTS, [a, [0x41, bits]]);
export const add = (a: Code, b: Code): Code => vector(ADD, [a, b]);
export const subtract = (a: Code, b: Code): Code => vector(SUBTRACT, [a, b]);
export const shift = (a: Code, bits: number): Code => vector(SHIFT, [a, [0x41, bits]]);
/** Of each pair of shorts: one times `one` plus the other times `other`. */
export const weighted = (pairs: Code, one: number, other: number): Code => vector(DOT, [pairs, allPairs(one, other)]);
export const shorts = (low: Code, high: Code): Code => vector(SHORTS_NARROWED, [low, high]);
export const signedBytes = (low: Code, high: Code): Code => vector(BYTES_SIGNED, [low, high]);
export const unsignedBytes = (low: Code, high: Code): Code => vector(BYTES_UNSIGNED, [low, high]);
export const shuffle = (a: Code, b: Code, lanes: readonly number[]): Code => vector(SHUFFLE, [a, b], lanes);

/** Alternates lanes of `bytes` bytes of the first (0) or the second (1) half of two vectors. */
export const interleave = (half: number, a: Code, b: Code, bytes = 2): Code =>
  shuffle(
    a,
    b,
    Array.from({ length: 16 }, (_, at) => {
      const lane = Math.floor(at / bytes);
      return half * 8 + (lane >> 1) * bytes + (at % bytes) + (lane % 2) * 16;
    }),
  );

/** Swaps rows and columns of eight vectors of eight shorts, in place. */
export function transposed(rows: readonly number[], spare: readonly number[]): Code[] {
  const [from, to] = [rows, spare];
  const stage = (source: readonly number[], target: readonly number[]): Code[] =>
    source.slice(0, 4).flatMap((row, at) => {
      const other = source[at + 4] ?? 0;
      return [0, 1].map((half) => set(target[2 * at + half] ?? 0, interleave(half, get(row), get(other))));
    });
  // Three times a perfect shuffle of all 64 shorts: each moves one bit of the row's number into the column's.
  return [
    ...stage(from, to),
    ...stage(to, from),
    ...stage(from, to),
    ...rows.map((row, at) => set(row, get(spare[at] ?? 0))),
  ];
}
