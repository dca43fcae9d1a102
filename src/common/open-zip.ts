import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fromRandomAccessReaderPromise, type Options, RandomAccessReader, type ZipFile } from 'yauzl';

/** Random access to the bytes of a zip. */
export interface ZipBytes {
  readonly size: number;
  /** Reads bytes `begin` to `end`, exclusive. Rejects when they do not exist. */
  read(begin: number, end: number): Promise<Uint8Array>;
}

const CHUNK_BYTES = 1 << 20;

/**
 * Opens a zip through a reader that checks each range of bytes. The reader of `yauzl` passes the offsets in a damaged
 * zip to the file system unchecked, and nothing catches what that throws: it would end the process.
 */
export async function openZip(bytes: ZipBytes, options: Options = {}): Promise<ZipFile> {
  return await fromRandomAccessReaderPromise(new CheckedReader(bytes), bytes.size, options);
}

/** Reads from an open file, which the caller closes. */
export async function fileBytes(handle: FileHandle): Promise<ZipBytes> {
  const { size } = await handle.stat();
  return {
    size,
    read: async (begin, end) => {
      const buffer = Buffer.alloc(end - begin);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, begin);
      if (bytesRead < buffer.length) throw new Error(`the zip ends before byte ${end}`);
      return buffer;
    },
  };
}

class CheckedReader extends RandomAccessReader {
  readonly #bytes: ZipBytes;

  constructor(bytes: ZipBytes) {
    super();
    this.#bytes = bytes;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.#range(position, position + length).then(
      (found) => {
        buffer.set(found, offset);
        callback(null);
      },
      (thrown: unknown) => callback(thrown instanceof Error ? thrown : new Error(String(thrown))),
    );
  }

  override _readStreamForRange(begin: number, end: number): Readable {
    return Readable.from(this.#chunks(begin, end));
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }

  async *#chunks(begin: number, end: number): AsyncGenerator<Uint8Array> {
    for (let from = begin; from < end; from += CHUNK_BYTES)
      yield await this.#range(from, Math.min(from + CHUNK_BYTES, end));
  }

  async #range(begin: number, end: number): Promise<Uint8Array> {
    if (begin >= 0 && begin <= end && end <= this.#bytes.size) return await this.#bytes.read(begin, end);
    throw new Error(`the zip refers to bytes ${begin} to ${end}, but has only ${this.#bytes.size}`);
  }
}
