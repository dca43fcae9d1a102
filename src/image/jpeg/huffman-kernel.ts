import {
  access,
  advance,
  again,
  and,
  type Code,
  get,
  I32,
  I64,
  i32,
  isAbove,
  isLess,
  isZero,
  leave,
  load,
  loop,
  minus,
  operator,
  or,
  plus,
  RETURN,
  repeat,
  set,
  shiftLeft,
  shiftRight,
  signedShiftRight,
  store,
  times,
  vector,
  vectorAccess,
  type WasmFunction,
  when,
} from '../wasm-module.ts';
import { LOOKUP_BITS, TABLE as OFFSETS } from './huffman-table.ts';
import { BLOCK_BYTES } from './inverse-dct.ts';

/** Damaged data may name coefficients after the last one before that is noticed. */
const PLACES = 64 + 16;
/**
 * What `takeUnits` reads, by offsets in bytes: the next bits of the data and how many they are, the address of the next
 * byte and that of the end, whether the data is damaged, how many components there are, and the places of the
 * coefficients. It writes all that changes.
 */
export const STATE = {
  buffer: 0,
  bits: 8,
  next: 12,
  end: 16,
  failed: 20,
  parts: 24,
  places: 28,
  bytes: 28 + PLACES,
} as const;
/**
 * A component, after the state: its last DC coefficient, the addresses of its tables and of its next coefficients, the
 * bytes from a row of blocks to the next, and the blocks of a unit across and down.
 */
export const PART = { before: 0, dc: 4, ac: 8, coefficients: 12, stride: 16, across: 20, down: 24, bytes: 28 } as const;

const [STATE_AT, UNITS] = [0, 1] as const;
const [BITS, NEXT, TABLE, ENTRY, VALUE, SIZE, K, DC] = [2, 3, 4, 5, 6, 7, 8, 9] as const;
const [PART_AT, PARTS, ROW, ROWS, COEFFICIENTS, COLUMNS] = [10, 11, 12, 13, 14, 15] as const;
/** The next bits of the data, the first one highest; behind `BITS` of them are zeros or bits of the data. */
const BUFFER = 16;

/** Bits that a code and its value take at most, so that both are read from the buffer as it is. */
const CODE_AND_VALUE_BITS = 32;

/** Instructions of WebAssembly by their numbers (core specification 2.0, chapter 5.4). */
const LONG_OF = 0xad;
const LOW_WORD = 0xa7;
const LONG_OR = 0x84;
const LONG_LEFT = 0x86;
const LONG_RIGHT = 0x88;
const LOAD_LONG = 0x29;
const STORE_LONG = 0x37;
const LOAD_BYTE = 0x2d;
const STORE_SHORT = 0x3b;
const LOAD_EIGHT_BYTES = 0x5d;
const SHUFFLE = 0x0d;
const FIRST_LONG = 0x1d;

const long = (value: Code): Code => operator(LONG_OF, value);
/** The first bits of the buffer: 1 to 32. */
const peek = (bits: Code): Code => operator(LOW_WORD, operator(LONG_RIGHT, get(BUFFER), long(minus(i32(64), bits))));
const skip = (bits: Code): Code => [
  set(BUFFER, operator(LONG_LEFT, get(BUFFER), long(bits))),
  set(BITS, minus(get(BITS), bits)),
];
const fail: Code = [store(get(STATE_AT), i32(1), STATE.failed), RETURN];

const REVERSED = [7, 6, 5, 4, 3, 2, 1, 0, 7, 6, 5, 4, 3, 2, 1, 0];
/** The next eight bytes as a number, the first byte highest. */
const nextBytes = (): Code => {
  const bytes = vectorAccess(LOAD_EIGHT_BYTES, [get(NEXT)]);
  return vector(FIRST_LONG, [vector(SHUFFLE, [bytes, bytes], REVERSED)], [0]);
};

/** Fills the buffer to 56 bits or more; the bits of a byte that fits in part are read again next time, as they are. */
const refill: Code = when(isLess(get(BITS), i32(CODE_AND_VALUE_BITS)), [
  set(BUFFER, operator(LONG_OR, get(BUFFER), operator(LONG_RIGHT, nextBytes(), long(get(BITS))))),
  advance(NEXT, shiftRight(minus(i32(63), get(BITS)), i32(3))),
  set(BITS, or(get(BITS), i32(56))),
]);

/** The entry of a code that is longer than those of the lookup. */
const longCode: Code = [
  set(VALUE, peek(i32(16))),
  set(SIZE, i32(LOOKUP_BITS + 1)),
  loop([
    when(isLess(get(VALUE), load(plus(get(TABLE), shiftLeft(get(SIZE), i32(2))), OFFSETS.ends)), [leave(1)]),
    advance(SIZE, i32(1)),
  ]),
  when(isAbove(get(SIZE), i32(16)), [fail]),
  set(
    VALUE,
    plus(
      shiftRight(get(VALUE), minus(i32(16), get(SIZE))),
      load(plus(get(TABLE), shiftLeft(get(SIZE), i32(2))), OFFSETS.offsets),
    ),
  ),
  set(VALUE, access(LOAD_BYTE, [plus(get(TABLE), and(get(VALUE), i32(255)))], OFFSETS.symbols)),
  set(
    ENTRY,
    or(or(shiftLeft(and(get(VALUE), i32(15)), i32(9)), shiftLeft(shiftRight(get(VALUE), i32(4)), i32(5))), get(SIZE)),
  ),
];

const codeLength: Code = and(get(ENTRY), i32(31));
const run: Code = and(shiftRight(get(ENTRY), i32(5)), i32(15));

/** Takes `SIZE` bits, at least one, as a number: those that begin with 0 are negative. */
const takeValue: Code = [
  set(VALUE, peek(get(SIZE))),
  skip(get(SIZE)),
  when(isLess(get(VALUE), shiftLeft(i32(1), minus(get(SIZE), i32(1)))), [
    set(VALUE, minus(plus(get(VALUE), i32(1)), shiftLeft(i32(1), get(SIZE)))),
  ]),
];

/**
 * Takes the next code of `TABLE`, with the bits of its value: sets `ENTRY`, `SIZE` and `VALUE`. Most values are in the
 * table; else `SIZE` is 0 where there is no value.
 */
const takeCode = (withoutValue: Code): Code => [
  refill,
  set(ENTRY, load(plus(get(TABLE), shiftLeft(peek(i32(LOOKUP_BITS)), i32(2))))),
  set(VALUE, signedShiftRight(get(ENTRY), i32(16))),
  when(
    isZero(get(VALUE)),
    [
      when(isZero(get(ENTRY)), [longCode]),
      skip(codeLength),
      set(SIZE, and(shiftRight(get(ENTRY), i32(9)), i32(15))),
      when(isZero(get(SIZE)), [withoutValue], [takeValue]),
    ],
    [skip(codeLength)],
  ),
];

const takeDc: Code = [
  set(TABLE, load(get(PART_AT), PART.dc)),
  takeCode(set(VALUE, i32(0))),
  when(run, [fail]),
  advance(DC, get(VALUE)),
  access(STORE_SHORT, [get(COEFFICIENTS), get(DC)]),
];

const ALL_ZEROS = 15;
/** Without a value, the block ends, or sixteen zeros follow. */
const endOrZeros: Code = [
  when(isLess(run, i32(ALL_ZEROS)), [leave(3)]),
  advance(K, i32(16)),
  when(isLess(get(K), i32(64)), [again(3)]),
  leave(2),
];
const place: Code = access(LOAD_BYTE, [plus(get(STATE_AT), get(K))], STATE.places);
const takeAc: Code = [
  set(TABLE, load(get(PART_AT), PART.ac)),
  set(K, i32(1)),
  loop([
    takeCode(endOrZeros),
    advance(K, run),
    access(STORE_SHORT, [plus(get(COEFFICIENTS), place), get(VALUE)]),
    advance(K, i32(1)),
    when(isAbove(get(K), i32(63)), [when(isAbove(get(K), i32(64)), [fail]), leave(1)]),
  ]),
];

const takeBlock: Code = [takeDc, takeAc, advance(COEFFICIENTS, i32(BLOCK_BYTES))];

/** The blocks of a component that belong to a unit. */
const takePart: Code = [
  set(DC, load(get(PART_AT), PART.before)),
  set(ROW, load(get(PART_AT), PART.coefficients)),
  set(ROWS, load(get(PART_AT), PART.down)),
  repeat(ROWS, [
    set(COEFFICIENTS, get(ROW)),
    set(COLUMNS, load(get(PART_AT), PART.across)),
    repeat(COLUMNS, [takeBlock]),
    advance(ROW, load(get(PART_AT), PART.stride)),
  ]),
  store(
    get(PART_AT),
    plus(load(get(PART_AT), PART.coefficients), times(load(get(PART_AT), PART.across), i32(BLOCK_BYTES))),
    PART.coefficients,
  ),
  store(get(PART_AT), get(DC), PART.before),
];

/** The address of the first byte of which no bit was taken. */
const position: Code = minus(get(NEXT), shiftRight(get(BITS), i32(3)));

/** Source: ITU-T T.81, F.2.2. The buffer is filled as in F. Giesen, "Reading bits in far too many ways" (2018), variant 4. */
const takeUnits: WasmFunction = {
  name: 'takeUnits',
  parameters: 2,
  locals: [...Array<number>(14).fill(I32), I64],
  body: [
    set(BUFFER, access(LOAD_LONG, [get(STATE_AT)], STATE.buffer)),
    set(BITS, load(get(STATE_AT), STATE.bits)),
    set(NEXT, load(get(STATE_AT), STATE.next)),
    repeat(UNITS, [
      set(PART_AT, plus(get(STATE_AT), i32(STATE.bytes))),
      set(PARTS, load(get(STATE_AT), STATE.parts)),
      repeat(PARTS, [takePart, advance(PART_AT, i32(PART.bytes))]),
      when(isAbove(position, load(get(STATE_AT), STATE.end)), [fail]),
    ]),
    access(STORE_LONG, [get(STATE_AT), get(BUFFER)], STATE.buffer),
    store(get(STATE_AT), get(BITS), STATE.bits),
    store(get(STATE_AT), get(NEXT), STATE.next),
  ],
};

/** The functions of `HuffmanExports`. */
export const HUFFMAN_FUNCTIONS: readonly WasmFunction[] = [takeUnits];

/** Addresses are in bytes. */
export interface HuffmanExports {
  /**
   * Takes units of a sequential scan, at least one, whose coefficients are zeros. Sets `failed` in the state where there
   * is no such code, a block has too many coefficients, or a unit ends after the data. Reads at most 256 bytes for each
   * block of a unit beyond the end, and 8 more.
   */
  readonly takeUnits: (state: number, units: number) => void;
}
