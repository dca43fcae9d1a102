import { z } from 'zod';
import { ConversionError } from '../../conversion-error.ts';
import type { ByteSource } from '../byte-source.ts';
import { byteLength, type Dtype, isDtype } from '../element-types.ts';

/** The format's own limit. It prevents a damaged length from allocating memory. */
const MAX_HEADER_BYTES = 100_000_000;
/** The file begins with the length of the header. */
const LENGTH_BYTES = 8;

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});
const headerSchema = z.record(z.string(), z.unknown());
const metadataSchema = z.record(z.string(), z.string());

/** Type, shape and position of a tensor; `begin` and `end` are byte offsets in the file. */
export interface TensorEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** The header of a file. */
export interface Header {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads and checks the whole header before anything else is read.
 *
 * @param cut whether the bytes are only the beginning of a file: entries then has only the tensors that are complete
 * @throws ConversionError that says what is wrong
 */
export async function readHeader(bytes: ByteSource, cut = false): Promise<Header> {
  if (bytes.size < LENGTH_BYTES) {
    throw new ConversionError(
      `${bytes.size} bytes are too few for a safetensors file, which begins with a length of 8 bytes`,
    );
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

/** The keys of the outermost object, including repeated ones, of which `JSON.parse` silently keeps the last. */
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
    throw new ConversionError(`the header entry of tensor "${name}" is not valid: ${z.prettifyError(parsed.error)}`);
  }
  const { dtype, shape, data_offsets } = parsed.data;
  if (!isDtype(dtype)) throw new ConversionError(`tensor "${name}" has the unknown type "${dtype}"`);
  const [begin, end] = data_offsets;
  const bytes = byteLength({ dtype, shape });
  if (end - begin !== bytes) {
    throw new ConversionError(
      `tensor "${name}" (${dtype}, shape [${shape}]) needs ${bytes} bytes, ` +
        `but its offsets ${begin} to ${end} hold ${end - begin}`,
    );
  }
  return { dtype, shape, begin: dataStart + begin, end: dataStart + end };
}

/** Checks that tensors follow each other without gap or overlap. @returns the end of the last one */
function checkLayout(entries: ReadonlyMap<string, TensorEntry>, dataStart: number): number {
  const inOrder = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let position = dataStart;
  for (const [name, { begin, end }] of inOrder) {
    if (begin !== position) {
      throw new ConversionError(
        `tensor "${name}" begins at byte ${begin} of the file, not at ${position}, where the one before it ends`,
      );
    }
    position = end;
  }
  return position;
}
