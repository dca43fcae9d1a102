import { type FileHandle, open } from 'node:fs/promises';
import { ConversionError } from '../conversion-error.ts';
import type { TensorSource } from '../tensors.ts';
import { halfTable } from './half.ts';
import { type ByteSource, type Dtype, type Header, readHeader, type TensorEntry } from './safetensors-header.ts';

/**
 * A safetensors file: header in memory, tensors read one at a time. The header is checked whole before anything is
 * read: https://github.com/huggingface/safetensors#format
 */
export class SafetensorsFile implements TensorSource {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** The header's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly #bytes: ByteSource;

  private constructor(bytes: ByteSource, header: Header) {
    this.#bytes = bytes;
    this.entries = header.entries;
    this.metadata = header.metadata;
  }

  /** @throws ConversionError when the file is not well-formed; whatever `open` throws when it is not there. */
  static async open(path: string): Promise<SafetensorsFile> {
    const handle = await open(path);
    try {
      const { size } = await handle.stat();
      const bytes = { size, read: readRange.bind(undefined, handle), close: () => handle.close() };
      return new SafetensorsFile(bytes, await readHeader(bytes));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** @throws ConversionError when the bytes are not a well-formed file. */
  static async parse(buffer: Uint8Array): Promise<SafetensorsFile> {
    const bytes = {
      size: buffer.length,
      read: async (begin: number, end: number) => buffer.subarray(begin, end),
      close: async () => {},
    };
    return new SafetensorsFile(bytes, await readHeader(bytes));
  }

  names(): Iterable<string> {
    return this.entries.keys();
  }

  shape(name: string): readonly number[] | undefined {
    return this.entries.get(name)?.shape;
  }

  /** @throws ConversionError for an integer tensor. */
  async read(name: string): Promise<Float32Array> {
    const { dtype } = this.#entry(name);
    const decode = DECODERS[dtype];
    if (decode === undefined) {
      throw new ConversionError(`tensor "${name}" is ${dtype}; weights are one of ${Object.keys(DECODERS).join(', ')}`);
    }
    return decode(await this.readBytes(name));
  }

  /** The tensor as it is stored, for copying it into another file. */
  async readBytes(name: string): Promise<Uint8Array> {
    const { begin, end } = this.#entry(name);
    return await this.#bytes.read(begin, end);
  }

  async close(): Promise<void> {
    await this.#bytes.close();
  }

  #entry(name: string): TensorEntry {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new ConversionError(`there is no tensor "${name}"`);
    return entry;
  }
}

async function readRange(handle: FileHandle, begin: number, end: number): Promise<Uint8Array> {
  // Its own ArrayBuffer, not a slice of the pool: a typed array of any element size can then view it.
  const buffer = new Uint8Array(end - begin);
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, begin + filled);
    if (bytesRead === 0) throw new ConversionError(`the file ends at byte ${begin + filled}, before byte ${end}`);
    filled += bytesRead;
  }
  return buffer;
}

type Decoder = (bytes: Uint8Array) => Float32Array;

/**
 * All little-endian, as every processor is that Node runs on. Plain loops: `Float32Array.from` with a function walks an
 * iterator, which takes twenty times as long.
 */
const DECODERS: Readonly<Partial<Record<Dtype, Decoder>>> = {
  F32: (bytes) => new Float32Array(...aligned(bytes, 4)),
  F64: (bytes) => new Float32Array(new Float64Array(...aligned(bytes, 8))),
  F16: (bytes) => {
    const halves = new Uint16Array(...aligned(bytes, 2));
    const table = halfTable();
    const values = new Float32Array(halves.length);
    for (let index = 0; index < halves.length; index += 1) values[index] = table[halves[index] ?? 0] ?? 0;
    return values;
  },
  // A bfloat16 is the upper half of a float32.
  BF16: (bytes) => {
    const halves = new Uint16Array(...aligned(bytes, 2));
    const words = new Uint32Array(halves.length);
    for (let index = 0; index < halves.length; index += 1) words[index] = (halves[index] ?? 0) << 16;
    return new Float32Array(words.buffer);
  },
};

/** What a typed array needs to view these bytes; they are copied only where they are not aligned. */
function aligned(bytes: Uint8Array, elementBytes: number): [ArrayBufferLike, number, number] {
  const source = bytes.byteOffset % elementBytes === 0 ? bytes : new Uint8Array(bytes);
  return [source.buffer, source.byteOffset, source.byteLength / elementBytes];
}
