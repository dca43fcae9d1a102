import { type HuffmanTable, LOOKUP_BITS } from './huffman-table.ts';
import { NotTaken } from './jpeg-file.ts';

/** A block takes fewer bytes, whatever they are; so many zeros follow the data, so that it is read without looking. */
const BEYOND = 512;
const NO_DATA: DataView = new DataView(new ArrayBuffer(0));

/** The place of each coefficient in its block, by its place in the zigzag. */
export const ZIGZAG = Uint8Array.from([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47,
  55, 62, 63,
]);

/**
 * The coded data of a scan, without its stuffed zeros and restart markers. Every block is checked to end within its
 * interval, and every interval to end where its data does.
 */
export class CodedData {
  readonly #data: Uint8Array;
  /** Read by the block decoders, which keep a copy of `bit` while they run. */
  view: DataView = NO_DATA;
  bit = 0;
  #ends: number[] = [];
  #interval = 0;
  /** Of the interval, in bits. */
  endBit = 0;

  /** @param fileBytes no scan has more */
  constructor(fileBytes: number) {
    this.#data = new Uint8Array(fileBytes + BEYOND);
  }

  /** Takes the data of a scan. @returns where it ends in the file */
  open(file: Uint8Array, start: number): number {
    const data = this.#data;
    const from = new DataView(file.buffer, file.byteOffset, file.length);
    const target = new DataView(data.buffer, data.byteOffset, data.length);
    this.#ends = [];
    let to = 0;
    let at = start;
    for (;;) {
      // Four bytes at once, as long as none of them is 0xff.
      while (at + 4 <= file.length) {
        const word = from.getInt32(at);
        if (((~word - 0x01010101) & word & 0x80808080) !== 0) break;
        target.setInt32(to, word);
        at += 4;
        to += 4;
      }
      const byte = file[at];
      if (byte === undefined) break;
      if (byte !== 0xff) {
        data[to] = byte;
        at += 1;
        to += 1;
        continue;
      }
      const next = file[at + 1] ?? 0xff;
      if (next === 0) {
        data[to] = 0xff;
        to += 1;
      } else {
        if (next < 0xd0 || next > 0xd7) break;
        if (next - 0xd0 !== this.#ends.length % 8) throw new NotTaken('restart');
        this.#ends.push(to * 8);
      }
      at += 2;
    }
    this.#ends.push(to * 8);
    data.fill(0, to, to + BEYOND);
    this.view = new DataView(data.buffer, 0, to + BEYOND);
    this.#interval = 0;
    this.bit = 0;
    this.endBit = this.#ends[0] ?? 0;
    return at;
  }

  /** Goes on to the next interval. @throws NotTaken when this one has more data */
  restart(): void {
    this.#expectEnd();
    this.#interval += 1;
    const end = this.#ends[this.#interval];
    if (end === undefined) throw new NotTaken('restart');
    this.bit = this.endBit;
    this.endBit = end;
  }

  /** @throws NotTaken when there is more data */
  close(): void {
    this.#expectEnd();
    if (this.#interval !== this.#ends.length - 1) throw new NotTaken('restart');
  }

  #expectEnd(): void {
    if ((this.bit + 7) >> 3 !== this.endBit >> 3) throw new NotTaken('more data');
  }
}

/** The entry, as in `HuffmanTable.lookup`, of a code that is longer than those there; 0 when there is none. */
export function longCode({ ends, offsets, symbols }: HuffmanTable, word: number): number {
  const code = word >>> 16;
  let length = LOOKUP_BITS + 1;
  while (code >= (ends[length] ?? 0)) length += 1;
  if (length > 16) return 0;
  const symbol = symbols[(code >>> (16 - length)) + (offsets[length] ?? 0)] ?? 0;
  return ((symbol & 15) << 9) | ((symbol >> 4) << 5) | length;
}
