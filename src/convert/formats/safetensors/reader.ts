import { ConversionError } from '../../conversion-error.ts';
import type { TensorSource } from '../../graph/tensors.ts';
import { type ByteSource, bufferSource, openFile } from '../byte-source.ts';
import { decodeFloats } from '../element-types.ts';
import { type Header, readHeader, type TensorEntry } from './header.ts';

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
  static open(path: string): Promise<SafetensorsFile> {
    return SafetensorsFile.#open(path, false);
  }

  /** As `open`, of the beginning of a file: it has the tensors that are whole. */
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

  /** @throws ConversionError when the bytes are not a well-formed file. */
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

  /** @throws ConversionError for an integer tensor. */
  async read(name: string): Promise<Float32Array> {
    const { dtype } = this.#entry(name);
    return decodeFloats(name, dtype, await this.readBytes(name));
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
