import { ZipFile } from 'yazl';
import { Call, Global, Persistent, pickle } from './pickler.ts';

/** Checkpoints as PyTorch writes them, for tests. */

const MAGIC = 0x1950a86a20f9469cfc6cn;

/** A PyTorch storage: its class, such as `FloatStorage`, key and values. */
export interface StorageFixture {
  readonly type: string;
  readonly key: string;
  readonly values: ArrayBufferView & { readonly length: number };
}

export function storage(type: string, key: string, values: StorageFixture['values']): StorageFixture {
  return { type, key, values };
}

export function persistent({ type, key, values }: StorageFixture, ...more: unknown[]): Persistent {
  return new Persistent(['storage', new Global('torch', type), key, 'cpu', values.length, ...more]);
}

/** A tensor that views a storage. @param strides row-major when absent */
export function tensor(fixture: StorageFixture, shape: readonly number[], offset = 0, strides = rowMajor(shape)): Call {
  const hooks = new Call(new Global('collections', 'OrderedDict'), []);
  return new Call(new Global('torch._utils', '_rebuild_tensor_v2'), [
    persistent(fixture),
    offset,
    shape,
    strides,
    false,
    hooks,
  ]);
}

function rowMajor(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
}

export interface ZipOptions {
  readonly prefix?: string;
  readonly compress?: boolean;
  readonly byteOrder?: string;
  readonly more?: Readonly<Record<string, Uint8Array>>;
}

/** The zip form. */
export async function zipForm(
  object: unknown,
  storages: readonly StorageFixture[],
  { prefix = 'archive/', compress = false, byteOrder = 'little', more = {} }: ZipOptions = {},
): Promise<Buffer> {
  const files: Record<string, Uint8Array> = { 'data.pkl': pickle(object), byteorder: Buffer.from(byteOrder) };
  for (const { key, values } of storages) files[`data/${key}`] = bytesOf(values);
  const zip = new ZipFile();
  for (const [name, bytes] of Object.entries({ ...files, ...more })) {
    zip.addBuffer(Buffer.from(bytes), `${prefix}${name}`, { compress });
  }
  zip.end();
  const chunks: Uint8Array[] = [];
  for await (const chunk of zip.outputStream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** The older stream form. */
export function streamForm(object: unknown, storages: readonly StorageFixture[], littleEndian = true): Buffer {
  const machine = new Map<string, unknown>([['little_endian', littleEndian]]);
  const head = [MAGIC, 1001, machine, object, storages.map(({ key }) => key)].map(pickle);
  const tail = storages.flatMap(({ values }) => {
    const length = Buffer.alloc(8);
    length.writeBigInt64LE(BigInt(values.length));
    return [length, bytesOf(values)];
  });
  return Buffer.concat([...head, ...tail]);
}

function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
