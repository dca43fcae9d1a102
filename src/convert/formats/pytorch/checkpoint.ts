import { ConversionError } from '../../conversion-error.ts';
import type { TensorSource } from '../../graph/tensors.ts';
import { type ByteSource, openFile } from '../byte-source.ts';
import { byteLength, decodeFloats } from '../element-types.ts';
import { storedTensors, writeSafetensors } from '../safetensors/writer.ts';
import { plainValue } from './plain-value.ts';
import type { SavedObject } from './saved-object.ts';
import { findStateDict, type StateDict, type WeightsChoice } from './state-dict.ts';
import { isStreamForm, readStreamForm } from './stream-form.ts';
import { readView, type TensorView } from './tensor-view.ts';
import { readZipForm } from './zip-form.ts';

const ZIP_SIGNATURE = 'PK\x03\x04';
/** Enough for the pickle of one number. */
const START_BYTES = 64;
/** Tensors may share a storage, as tied layers do, but a small file must not claim to be a large network. */
const MAX_SHARING = 4;

/**
 * A PyTorch checkpoint (`.pth`, `.pt`) as written by `torch.save`. Names and shapes are in memory; values are read one
 * tensor at a time. No code in the file is executed. https://pytorch.org/docs/stable/notes/serialization.html
 */
export class PytorchCheckpoint implements TensorSource {
  readonly entries: ReadonlyMap<string, TensorView>;
  /** Where in the checkpoint the tensors are. */
  readonly origin: Omit<StateDict, 'tensors'>;
  /** What the file says beside the tensors: texts, numbers, lists and mappings of them. */
  readonly document: unknown;
  readonly #bytes: ByteSource;
  readonly #storageBegins: ReadonlyMap<string, number>;

  private constructor(bytes: ByteSource, { object, storageBegins }: SavedObject, choice?: WeightsChoice) {
    this.#bytes = bytes;
    this.#storageBegins = storageBegins;
    const { tensors, ...origin } = findStateDict(object, choice);
    this.entries = tensors;
    this.document = plainValue(object);
    this.origin = origin;
    const claimed = [...this.entries.values()].reduce((sum, view) => sum + byteLength(view), 0);
    if (claimed > MAX_SHARING * bytes.size) {
      throw new ConversionError(`the tensors claim ${claimed} bytes, but the file has only ${bytes.size}`);
    }
  }

  /**
   * Opens a checkpoint that is a dict of tensors, or contains one, as `findStateDict` finds it.
   *
   * @throws ConversionError when it is anything else; the error of the file system when it cannot be opened
   */
  static async open(path: string, choice?: WeightsChoice): Promise<PytorchCheckpoint> {
    const bytes = await openFile(path);
    try {
      return new PytorchCheckpoint(bytes, await readSaved(bytes), choice);
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

  /** @throws ConversionError when the tensor holds integers */
  async read(name: string): Promise<Float32Array> {
    return decodeFloats(name, this.#view(name).dtype, await this.readBytes(name));
  }

  /** The values in row-major order, in their stored element type. */
  async readBytes(name: string): Promise<Uint8Array> {
    const view = this.#view(name);
    const begin = this.#storageBegins.get(view.storage.key);
    if (begin === undefined) throw new Error(`storage "${view.storage.key}" has no position in the file`);
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
 * Converts a checkpoint to a safetensors file with the same names and element types. Only one tensor is in memory at a
 * time.
 *
 * @throws ConversionError as `PytorchCheckpoint.open`; Error when `safetensorsPath` exists
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
  throw new ConversionError(
    'the file is not a PyTorch checkpoint: it is neither a zip nor does it begin with the magic number',
  );
}
