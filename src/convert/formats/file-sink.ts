import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';

/** A file that was written. */
export interface WrittenFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** A new file that is written sequentially; its digest is computed on the way. */
export class FileSink {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  #size = 0;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** @throws Error when the file exists */
  static async create(path: string): Promise<FileSink> {
    return new FileSink(path, await open(path, 'wx'));
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    this.#size += bytes.length;
    await this.#handle.appendFile(bytes);
  }

  /** Flushes the file to disk and closes it. */
  async finish(): Promise<WrittenFile> {
    await this.#handle.sync();
    await this.#handle.close();
    return { path: this.path, size: this.#size, sha256: this.#hash.digest('hex') };
  }

  /** Closes the file after a failure. The caller removes it. */
  async abandon(): Promise<void> {
    await this.#handle.close();
  }
}

/** Writes a file by calling `fill`. The file is closed also when `fill` throws. */
export async function writeFileThrough(path: string, fill: (sink: FileSink) => Promise<void>): Promise<WrittenFile> {
  const sink = await FileSink.create(path);
  try {
    await fill(sink);
  } catch (error) {
    await sink.abandon();
    throw error;
  }
  return await sink.finish();
}

/** A view of the bytes of a typed array. */
export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
