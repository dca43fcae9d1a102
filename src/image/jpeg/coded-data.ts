import type { MemoryPlan, PixelKernel } from '../pixel-kernel.ts';
import { PART, STATE } from './huffman-kernel.ts';
import { type HuffmanTable, TABLE } from './huffman-table.ts';
import { BLOCK_BYTES } from './inverse-dct.ts';
import { NotTaken } from './jpeg-file.ts';

/**
 * Zeros after the data, so that it is read without looking for its end: as many bytes as the six blocks of a unit take at
 * most, whatever they are, and what the kernel reads ahead.
 */
const BEYOND = 2_048;

/** The place of each coefficient in its block, by its place in the zigzag. */
export const ZIGZAG = Uint8Array.from([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47,
  55, 62, 63,
]);

/** A component of the scan. */
export interface CodedPart {
  readonly dc: HuffmanTable;
  readonly ac: HuffmanTable;
  /** Address of the coefficients of a row of units. */
  readonly coefficients: number;
  /** Blocks in a row of them, and blocks of a unit. */
  readonly blocksAcross: number;
  readonly across: number;
  readonly down: number;
}

/**
 * The coded data of a scan in the memory of the kernel, without its stuffed zeros and restart markers. Every unit is
 * checked to end within its interval, and every interval to end where its data does.
 */
export class CodedData {
  readonly #file: Uint8Array;
  readonly #stuffed: number;
  readonly #data: number;
  readonly #tables: number;
  readonly #state: number;
  #kernel: PixelKernel | undefined;
  #parts: readonly CodedPart[] = [];
  /** The state and, after it, the components. */
  #words = new Int32Array();
  /** Addresses. */
  #ends: number[] = [];
  #interval = 0;

  /** @param parts components of the scan */
  constructor(file: Uint8Array, parts: number, plan: MemoryPlan) {
    this.#file = file;
    this.#stuffed = plan.take(file.length + BEYOND);
    this.#data = plan.take(file.length + BEYOND);
    this.#tables = plan.take(parts * 2 * TABLE.bytes);
    this.#state = plan.take(STATE.bytes + parts * PART.bytes);
  }

  /** Takes the data of a scan. @returns where it ends in the file @throws NotTaken */
  open(kernel: PixelKernel, start: number, parts: readonly CodedPart[]): number {
    const { buffer } = kernel.memory;
    this.#kernel = kernel;
    this.#parts = parts;
    this.#words = new Int32Array(buffer, this.#state, (STATE.bytes + parts.length * PART.bytes) / 4);
    this.#words[STATE.parts / 4] = parts.length;
    const bytes = new Uint8Array(buffer);
    const places = bytes.subarray(this.#state + STATE.places, this.#state + STATE.bytes).fill(2 * 63);
    for (const [k, place] of ZIGZAG.entries()) places[k] = 2 * place;
    for (const [index, { dc, ac, blocksAcross, across, down }] of parts.entries()) {
      const [dcAt, acAt] = [2 * index, 2 * index + 1].map((each) => this.#tables + each * TABLE.bytes);
      bytes.set(dc, dcAt);
      bytes.set(ac, acAt);
      this.#words.set([0, dcAt ?? 0, acAt ?? 0, 0, blocksAcross * BLOCK_BYTES, across, down], partAt(index));
    }
    return this.#unstuff(bytes, kernel, start);
  }

  /** Goes to the beginning of a row of units, whose coefficients are zeros. */
  beginRow(): void {
    for (const [index, { coefficients }] of this.#parts.entries()) {
      this.#words[partAt(index) + PART.coefficients / 4] = coefficients;
    }
  }

  /** Takes units of the row, at least one. @throws NotTaken */
  takeUnits(count: number): void {
    this.#kernel?.takeUnits(this.#state, count);
    if (this.#words[STATE.failed / 4] !== 0) throw new NotTaken('coded data');
  }

  /** Goes on to the next interval. @throws NotTaken when this one has more data */
  restart(): void {
    this.#expectEnd();
    this.#interval += 1;
    this.#begin(this.#words[STATE.end / 4] ?? 0);
  }

  /** @throws NotTaken when there is more data */
  close(): void {
    this.#expectEnd();
    if (this.#interval !== this.#ends.length - 1) throw new NotTaken('restart');
  }

  #expectEnd(): void {
    const words = this.#words;
    const position = (words[STATE.next / 4] ?? 0) - ((words[STATE.bits / 4] ?? 0) >> 3);
    if (position !== words[STATE.end / 4]) throw new NotTaken('more data');
  }

  #begin(at: number): void {
    const words = this.#words;
    const end = this.#ends[this.#interval];
    if (end === undefined) throw new NotTaken('restart');
    words.fill(0, 0, STATE.next / 4);
    words[STATE.next / 4] = at;
    words[STATE.end / 4] = end;
    words[STATE.failed / 4] = 0;
    for (const index of this.#parts.keys()) words[partAt(index) + PART.before / 4] = 0;
  }

  #unstuff(bytes: Uint8Array, kernel: PixelKernel, start: number): number {
    const coded = this.#file.subarray(start);
    bytes.set(coded, this.#stuffed);
    const fileEnd = this.#stuffed + coded.length;
    let [from, to] = [this.#stuffed, this.#data];
    this.#ends = [];
    for (;;) {
      kernel.unstuff(from, to, fileEnd, this.#state);
      [from = 0, to = 0] = this.#words;
      const marker = bytes[from + 1] ?? 0;
      if (from + 1 >= fileEnd || marker < 0xd0 || marker > 0xd7) break;
      if (marker - 0xd0 !== this.#ends.length % 8) throw new NotTaken('restart');
      this.#ends.push(to);
      from += 2;
    }
    this.#ends.push(to);
    bytes.fill(0, to, to + BEYOND);
    this.#interval = 0;
    this.#begin(this.#data);
    return start + from - this.#stuffed;
  }
}

/** Index of a component's words after those of the state. */
const partAt = (index: number): number => (STATE.bytes + index * PART.bytes) / 4;
