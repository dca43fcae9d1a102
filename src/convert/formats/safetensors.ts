import { type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { elementCount } from '../../tensor.ts';
import { ConversionError } from '../conversion-error.ts';
import type { TensorSource } from '../tensors.ts';
import { halfTable } from './half.ts';

/** The header's length is the first eight bytes; the format's own limit keeps a damaged length from taking memory. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

/** Bytes of one element. The floating types become float32; the others are skipped over but never read. */
const ELEMENT_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

/** Element types of the format. */
export type Dtype = keyof typeof ELEMENT_BYTES;

/** Bytes that a tensor takes. */
export function byteLength(tensor: { readonly dtype: Dtype; readonly shape: readonly number[] }): number {
  return elementCount(tensor.shape) * ELEMENT_BYTES[tensor.dtype];
}

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});
const headerSchema = z.record(z.string(), z.unknown());
const metadataSchema = z.record(z.string(), z.string());

/** Where a tensor lies: `begin` and `end` are bytes from the start of the file. */
export interface TensorEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Random access to the bytes of a file, or of a buffer. */
interface ByteSource {
  readonly size: number;
  read(begin: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

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

interface Header {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
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

async function readHeader(bytes: ByteSource): Promise<Header> {
  if (bytes.size < LENGTH_BYTES) {
    throw new ConversionError(`${bytes.size} bytes are too few for a safetensors file, which begins with 8 of length`);
  }
  const prefix = await bytes.read(0, LENGTH_BYTES);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new ConversionError(`the header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed`);
  }
  const dataStart = LENGTH_BYTES + Number(length);
  if (dataStart > bytes.size) {
    throw new ConversionError(`the header claims ${length} bytes, but the file has only ${bytes.size}`);
  }
  const text = decodeUtf8(await bytes.read(LENGTH_BYTES, dataStart));
  const names = topLevelNames(text);
  const raw = parseJson(text);
  const { __metadata__: metadata, ...tensors } = raw;
  if (names.length !== Object.keys(raw).length) {
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    throw new ConversionError(`the header lists tensor "${twice}" twice`);
  }
  const entries = new Map(Object.entries(tensors).map(([name, entry]) => [name, parseEntry(name, entry, dataStart)]));
  checkLayout(entries, dataStart, bytes.size);
  return { entries, metadata: metadata === undefined ? {} : parseMetadata(metadata) };
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConversionError('the header is not UTF-8', { cause });
  }
}

function parseJson(text: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new ConversionError('the header is not JSON', { cause });
  }
  const header = headerSchema.safeParse(parsed);
  if (!header.success) throw new ConversionError('the header is not a JSON object');
  return header.data;
}

/** The keys of the outermost object, repeated ones too: `JSON.parse` keeps the last of them and says nothing. */
function topLevelNames(text: string): string[] {
  const names: string[] = [];
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/gs)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    else if (depth === 1 && token.endsWith(':')) names.push(token.slice(1, token.lastIndexOf('"')));
  }
  return names;
}

function parseMetadata(value: unknown): Record<string, string> {
  const metadata = metadataSchema.safeParse(value);
  if (!metadata.success) throw new ConversionError('"__metadata__" of the header is not an object of strings');
  return metadata.data;
}

function parseEntry(name: string, value: unknown, dataStart: number): TensorEntry {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    throw new ConversionError(`the header's entry of tensor "${name}" is wrong: ${z.prettifyError(parsed.error)}`);
  }
  const { dtype, shape, data_offsets } = parsed.data;
  if (!isDtype(dtype)) throw new ConversionError(`tensor "${name}" is of an unknown type "${dtype}"`);
  const [begin, end] = data_offsets;
  const bytes = byteLength({ dtype, shape });
  if (end - begin !== bytes) {
    throw new ConversionError(
      `tensor "${name}" is ${dtype} of shape [${shape}], ${bytes} bytes, but its offsets ${begin} to ${end} hold ${end - begin}`,
    );
  }
  return { dtype, shape, begin: dataStart + begin, end: dataStart + end };
}

function isDtype(name: string): name is Dtype {
  return Object.hasOwn(ELEMENT_BYTES, name);
}

/** Tensors follow each other without gap or overlap, from the header's end to the file's. */
function checkLayout(entries: ReadonlyMap<string, TensorEntry>, dataStart: number, size: number): void {
  const inOrder = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let position = dataStart;
  for (const [name, { begin, end }] of inOrder) {
    if (begin !== position) {
      throw new ConversionError(`tensor "${name}" begins at byte ${begin} of the file; byte ${position} is next`);
    }
    position = end;
  }
  if (position !== size) {
    throw new ConversionError(`the tensors end at byte ${position}, but the file has ${size} bytes`);
  }
}

type Decoder = (bytes: Uint8Array) => Float32Array;

/** All little-endian, as every processor is that Node runs on. */
const DECODERS: Readonly<Partial<Record<Dtype, Decoder>>> = {
  F32: (bytes) => new Float32Array(...aligned(bytes, 4)),
  F64: (bytes) => Float32Array.from(new Float64Array(...aligned(bytes, 8))),
  F16: (bytes) => {
    const table = halfTable();
    return Float32Array.from(new Uint16Array(...aligned(bytes, 2)), (half) => table[half] ?? 0);
  },
  // A bfloat16 is the upper half of a float32.
  BF16: (bytes) =>
    new Float32Array(Uint32Array.from(new Uint16Array(...aligned(bytes, 2)), (half) => half << 16).buffer),
};

/** What a typed array needs to view these bytes; they are copied only where they are not aligned. */
function aligned(bytes: Uint8Array, elementBytes: number): [ArrayBufferLike, number, number] {
  const source = bytes.byteOffset % elementBytes === 0 ? bytes : bytes.slice();
  return [source.buffer, source.byteOffset, source.byteLength / elementBytes];
}
