import { ConversionError } from '../../conversion-error.ts';

/** Names of parameters are short; no text of a checkpoint is longer. */
const MAX_TEXT_BYTES = 1_000_000;
/** The magic number of older PyTorch files has ten bytes. */
const MAX_INTEGER_BYTES = 16;
/** A line is a module or a name in it. */
const MAX_LINE_BYTES = 1000;

const utf8 = new TextDecoder('utf-8', { fatal: true });
const latin1 = new TextDecoder('latin1');

/** The given bytes end inside a pickle. The file may have more. */
export class PickleEndsEarly extends ConversionError {
  constructor() {
    super('the pickle ends before its STOP opcode');
  }
}

/** Reads the opcodes of a pickle and their arguments sequentially. */
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

  /** Big-endian, unlike everything else in a pickle. */
  float64(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** An integer in two's complement of any length; a number if that is exact. */
  integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) {
      throw new ConversionError(
        `the pickle has an integer of ${length} bytes; at most ${MAX_INTEGER_BYTES} are allowed`,
      );
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

  /** A string of Python 2, which has no encoding. */
  latin1(length: number): string {
    return latin1.decode(this.#take(expectTextLength(length)));
  }

  bytes(length: number): Uint8Array {
    return this.#take(expectTextLength(length)).slice();
  }

  /** Reads up to and including the next line feed, which is not returned. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#position);
    if (end < 0) throw new PickleEndsEarly();
    if (end - this.#position > MAX_LINE_BYTES)
      throw new ConversionError(`the pickle has a line of more than ${MAX_LINE_BYTES} bytes`);
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

/** Converts to a number if that is exact. */
export function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function expectTextLength(length: number): number {
  if (length <= MAX_TEXT_BYTES) return length;
  throw new ConversionError(`the pickle has a text of ${length} bytes; at most ${MAX_TEXT_BYTES} are allowed`);
}
