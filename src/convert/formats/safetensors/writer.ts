import { type FileHandle, open } from 'node:fs/promises';
import { elementCount } from '../../../common/tensor.ts';
import { byteLength, type Dtype } from '../element-types.ts';

/** A tensor to write. `read` is called once, when the tensor is written. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  read(): Promise<Uint8Array>;
}

/** A file whose tensors can be copied in their stored form. */
export interface StoredTensors {
  readonly entries: ReadonlyMap<string, { readonly dtype: Dtype; readonly shape: readonly number[] }>;
  readBytes(name: string): Promise<Uint8Array>;
}

/** The given tensors of a file, in their stored form. */
export function storedTensors(file: StoredTensors, names: Iterable<string>): TensorToWrite[] {
  return Array.from(names, (name) => {
    const entry = file.entries.get(name);
    if (entry === undefined) throw new Error(`no tensor "${name}" to copy`);
    return { name, dtype: entry.dtype, shape: entry.shape, read: () => file.readBytes(name) };
  });
}

/** An F32 tensor of values in memory. */
export function float32Tensor(name: string, shape: readonly number[], values: Float32Array): TensorToWrite {
  if (values.length !== elementCount(shape)) {
    throw new Error(`tensor "${name}" of shape [${shape}] cannot hold ${values.length} values`);
  }
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dtype: 'F32', shape, read: async () => bytes };
}

/** Writes a new file, one tensor after the other, in the given order. @throws Error when `path` exists */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await writeHeader(handle, tensors, metadata);
    for (const tensor of tensors) {
      const bytes = await tensor.read();
      if (bytes.length !== byteLength(tensor)) {
        throw new Error(`tensor "${tensor.name}" has ${bytes.length} bytes, not ${byteLength(tensor)}`);
      }
      await handle.appendFile(bytes);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeHeader(
  handle: FileHandle,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let position = 0;
  for (const tensor of tensors) {
    if (tensor.name in header) throw new Error(`two tensors are named "${tensor.name}"`);
    const end = position + byteLength(tensor);
    header[tensor.name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [position, end] };
    position = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  // The data begins at a multiple of eight, so that a mapped file can be viewed as any element type.
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, ' ');
  json.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  await handle.appendFile(Buffer.concat([length, padded]));
}
