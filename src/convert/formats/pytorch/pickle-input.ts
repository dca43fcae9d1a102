import { ConversionError } from '../../conversion-error.ts';

/** Names of parameters are short; a longer text is no part of a checkpoint. */
const MAX_TEXT_BYTES = 1_000_000;
/** The magic number of PyTorch's older files takes ten bytes. */
const MAX_INTEGER_BYTES = 16;
/** A module and the name of what is in it. */
const MAX_LINE_BYTES = 1000;

const utf8 = new TextDecoder('utf-8', { fatal: true });
const latin1 = new TextDecoder('latin1');

/** The bytes at hand end within a pickle: there may be more of them in the file. */
export class PickleEndsEarly extends ConversionError {
  constructor() {
    super('the pickle ends before its STOP');
  }
}

/** Reads a pickle's opcodes and their arguments, front to back. */
export class PickleInput {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position: number;

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = position;
  }

  get position(): number {
    return this.#position;
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  uint64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true));
  }

  /** Big-endian, unlike all else in a pickle. */
  float64(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** Two's complement of any length; a number where that is exact. */
  integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) {
      throw new ConversionError(`an integer of ${length} bytes; at most ${MAX_INTEGER_BYTES} are allowed`);
    }
    const bytes = this.#take(length);
    const magnitude = bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);
    return exact(BigInt.asIntN(8 * length, magnitude));
  }

  utf8(length: number): string {
    const bytes = this.#take(expectTextLength(length));
    try {
      return utf8.decode(bytes);
    } catch (cause) {
      throw new ConversionError('a text of the pickle is not UTF-8', { cause });
    }
  }

  /** A string of Python 2, which knew no encoding. */
  latin1(length: number): string {
    return latin1.decode(this.#take(expectTextLength(length)));
  }

  bytes(length: number): Uint8Array {
    return this.#take(expectTextLength(length)).slice();
  }

  /** Up to the next line feed, which is read too. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#position);
    if (end < 0) throw new PickleEndsEarly();
    if (end - this.#position > MAX_LINE_BYTES) throw new ConversionError(`a line of more than ${MAX_LINE_BYTES} bytes`);
    const text = this.utf8(end - this.#position);
    this.#advance(1);
    return text;
  }

  #take(length: number): Uint8Array {
    const begin = this.#advance(length);
    return this.#bytes.subarray(begin, begin + length);
  }

  #advance(length: number): number {
    const begin = this.#position;
    if (begin + length > this.#bytes.length) throw new PickleEndsEarly();
    this.#position += length;
    return begin;
  }
}

/** As a number, if that is exact. */
export function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function expectTextLength(length: number): number {
  if (length <= MAX_TEXT_BYTES) return length;
  throw new ConversionError(`a text of ${length} bytes; at most ${MAX_TEXT_BYTES} are allowed`);
}
