import { ConversionError } from '../../conversion-error.ts';
import type { TensorSource } from '../../graph/tensors.ts';
import { type ByteSource, bufferSource, openFile } from '../byte-source.ts';
import { decodeFloats } from '../element-types.ts';
import { type Header, readHeader, type TensorEntry } from './header.ts';

/**
 * A safetensors file: https://github.com/huggingface/safetensors#format. The header is checked completely and kept in
 * memory; tensors are read one at a time.
 */
export class SafetensorsFile implements TensorSource {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** `__metadata__` of the header. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly #bytes: ByteSource;

  private constructor(bytes: ByteSource, header: Header) {
    this.#bytes = bytes;
    this.entries = header.entries;
    this.metadata = header.metadata;
  }

  /** @throws ConversionError when the file is malformed; the error of the file system when it cannot be opened */
  static open(path: string): Promise<SafetensorsFile> {
    return SafetensorsFile.#open(path, false);
  }

  /** Like `open`, for a file that is cut off: it has the tensors that are complete. */
  static openBeginning(path: string): Promise<SafetensorsFile> {
    return SafetensorsFile.#open(path, true);
  }

  static async #open(path: string, cut: boolean): Promise<SafetensorsFile> {
    const bytes = await openFile(path);
    try {
      return new SafetensorsFile(bytes, await readHeader(bytes, cut));
    } catch (error) {
      await bytes.close();
      throw error;
    }
  }

  /** @throws ConversionError when the bytes are malformed */
  static async parse(buffer: Uint8Array): Promise<SafetensorsFile> {
    const bytes = bufferSource(buffer);
    return new SafetensorsFile(bytes, await readHeader(bytes));
  }

  names(): Iterable<string> {
    return this.entries.keys();
  }

  shape(name: string): readonly number[] | undefined {
    return this.entries.get(name)?.shape;
  }

  /** @throws ConversionError when the tensor holds integers */
  async read(name: string): Promise<Float32Array> {
    const { dtype } = this.#entry(name);
    return decodeFloats(name, dtype, await this.readBytes(name));
  }

  /** The stored bytes of a tensor, for copying it into another file. */
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
