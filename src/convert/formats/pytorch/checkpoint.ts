import { ConversionError } from '../../conversion-error.ts';
import type { TensorSource } from '../../graph/tensors.ts';
import { type ByteSource, openFile } from '../byte-source.ts';
import { byteLength, decodeFloats } from '../element-types.ts';
import { storedTensors, writeSafetensors } from '../safetensors/writer.ts';
import type { SavedObject } from './saved-object.ts';
import { findStateDict } from './state-dict.ts';
import { isStreamForm, readStreamForm } from './stream-form.ts';
import { readView, type TensorView } from './tensor-view.ts';
import { readZipForm } from './zip-form.ts';

const ZIP_SIGNATURE = 'PK\x03\x04';
/** Enough for a pickle of one number. */
const START_BYTES = 64;
/** Tensors may share a storage, as tied layers do; a small file that claims to be a large network is none. */
const MAX_SHARING = 4;

/**
 * A PyTorch checkpoint (`.pth`, `.pt`) as `torch.save` writes it: names and shapes in memory, values read one tensor at
 * a time. Nothing that the file says is run: https://pytorch.org/docs/stable/notes/serialization.html
 */
export class PytorchCheckpoint implements TensorSource {
  readonly entries: ReadonlyMap<string, TensorView>;
  readonly #bytes: ByteSource;
  readonly #storageBegins: ReadonlyMap<string, number>;

  private constructor(bytes: ByteSource, { object, storageBegins }: SavedObject) {
    this.#bytes = bytes;
    this.#storageBegins = storageBegins;
    this.entries = findStateDict(object);
    const claimed = [...this.entries.values()].reduce((sum, view) => sum + byteLength(view), 0);
    if (claimed > MAX_SHARING * bytes.size) {
      throw new ConversionError(`its tensors are of ${claimed} bytes in all, but the file has only ${bytes.size}`);
    }
  }

  /**
   * Opens a checkpoint that is a dict of tensors, or holds one under a common key such as `state_dict`.
   * @throws ConversionError when it is anything else; whatever `open` throws when it is not there
   */
  static async open(path: string): Promise<PytorchCheckpoint> {
    const bytes = await openFile(path);
    try {
      return new PytorchCheckpoint(bytes, await readSaved(bytes));
    } catch (error) {
      await bytes.close();
      throw error;
    }
  }

  names(): Iterable<string> {
    return this.entries.keys();
  }

  shape(name: string): readonly number[] | undefined {
    return this.entries.get(name)?.shape;
  }

  /** @throws ConversionError for an integer tensor. */
  async read(name: string): Promise<Float32Array> {
    return decodeFloats(name, this.#view(name).dtype, await this.readBytes(name));
  }

  /** The values in row-major order, of the type in which they are stored. */
  async readBytes(name: string): Promise<Uint8Array> {
    const view = this.#view(name);
    const begin = this.#storageBegins.get(view.storage.key);
    if (begin === undefined) throw new Error(`storage "${view.storage.key}" was never found`);
    return await readView(view, this.#bytes, begin);
  }

  async close(): Promise<void> {
    await this.#bytes.close();
  }

  #view(name: string): TensorView {
    const view = this.entries.get(name);
    if (view === undefined) throw new ConversionError(`there is no tensor "${name}"`);
    return view;
  }
}

/**
 * Writes a checkpoint's tensors as a new safetensors file, under their names and of their types, one after the other.
 * @throws ConversionError when it is no such checkpoint; Error when `safetensorsPath` exists
 */
export async function pytorchToSafetensors(checkpointPath: string, safetensorsPath: string): Promise<void> {
  const checkpoint = await PytorchCheckpoint.open(checkpointPath);
  try {
    await writeSafetensors(safetensorsPath, storedTensors(checkpoint, checkpoint.names()), { format: 'pt' });
  } finally {
    await checkpoint.close();
  }
}

async function readSaved(bytes: ByteSource): Promise<SavedObject> {
  const start = await bytes.read(0, Math.min(START_BYTES, bytes.size));
  if (Buffer.from(start.subarray(0, 4)).toString('latin1') === ZIP_SIGNATURE) return await readZipForm(bytes);
  if (isStreamForm(start)) return await readStreamForm(bytes);
  throw new ConversionError('it is no PyTorch checkpoint: it begins neither as a zip nor with the magic number');
}
