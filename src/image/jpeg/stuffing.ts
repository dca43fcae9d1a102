import {
  access,
  advance,
  get,
  I32,
  i32,
  isAtLeast,
  isLess,
  leave,
  loop,
  minus,
  operator,
  or,
  plus,
  set,
  store,
  V128,
  vector,
  type WasmFunction,
  when,
} from '../wasm-module.ts';
import { allBytes, loadVector, storeVector } from './vectors.ts';

const LOAD_BYTE = 0x2d;
const TRAILING_ZEROS = 0x68;
const EQUAL_BYTES = 0x23;
const BITMASK = 0x64;
const [FROM, TO, END, RESULT, MASK, BYTES] = [0, 1, 2, 3, 4, 5] as const;
const VECTOR_BYTES = 16;

const unstuff: WasmFunction = {
  name: 'unstuff',
  parameters: 4,
  locals: [I32, V128],
  body: [
    loop([
      set(BYTES, loadVector(get(FROM))),
      storeVector(get(TO), get(BYTES)),
      set(MASK, vector(BITMASK, [vector(EQUAL_BYTES, [get(BYTES), allBytes(0xff)])])),
      // The bytes before the first 0xff.
      set(MASK, operator(TRAILING_ZEROS, or(get(MASK), i32(1 << VECTOR_BYTES)))),
      when(isAtLeast(plus(get(FROM), get(MASK)), get(END)), [
        advance(TO, minus(get(END), get(FROM))),
        set(FROM, get(END)),
        leave(1),
      ]),
      advance(FROM, get(MASK)),
      advance(TO, get(MASK)),
      when(isLess(get(MASK), i32(VECTOR_BYTES)), [
        when(isAtLeast(plus(get(FROM), i32(1)), get(END)), [leave(2)]),
        when(access(LOAD_BYTE, [get(FROM)], 1), [leave(2)]),
        advance(FROM, i32(2)),
        advance(TO, i32(1)),
      ]),
    ]),
    store(get(RESULT), get(FROM)),
    store(get(RESULT), get(TO), 4),
  ],
};

/** The functions of `StuffingExports`. */
export const STUFFING_FUNCTIONS: readonly WasmFunction[] = [unstuff];

/** Addresses are in bytes. */
export interface StuffingExports {
  /**
   * Copies coded data without its stuffed zeros (ITU-T T.81, B.1.1.5), until a marker or the end. Writes to `result` where
   * it stopped reading and where it stopped writing. Reads and writes up to 16 bytes beyond the end.
   */
  readonly unstuff: (from: number, to: number, end: number, result: number) => void;
}
