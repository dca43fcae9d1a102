import { z } from 'zod';
import { ConversionError } from '../../conversion-error.ts';
import type { ByteSource } from '../byte-source.ts';
import { byteLength, type Dtype, isDtype } from '../element-types.ts';

/** The header's length is the first eight bytes; the format's own limit keeps a damaged length from taking memory. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

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

/** What the beginning of a file says. */
export interface Header {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads and checks the header whole, before anything else is read.
 *
 * @param cut whether the bytes are the beginning of a file: then only tensors that are whole are among the entries
 * @throws ConversionError that says what is wrong
 */
export async function readHeader(bytes: ByteSource, cut = false): Promise<Header> {
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
  const end = checkLayout(entries, dataStart);
  if (cut) {
    for (const [name, entry] of entries) if (entry.end > bytes.size) entries.delete(name);
  } else if (end !== bytes.size) {
    throw new ConversionError(`the tensors end at byte ${end}, but the file has ${bytes.size} bytes`);
  }
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

/** Tensors follow each other without gap or overlap, from the header's end to the file's, which is given back. */
function checkLayout(entries: ReadonlyMap<string, TensorEntry>, dataStart: number): number {
  const inOrder = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let position = dataStart;
  for (const [name, { begin, end }] of inOrder) {
    if (begin !== position) {
      throw new ConversionError(`tensor "${name}" begins at byte ${begin} of the file; byte ${position} is next`);
    }
    position = end;
  }
  return position;
}
