import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fromRandomAccessReaderPromise, type Options, RandomAccessReader, type ZipFile } from 'yauzl';

/** Where the bytes of a zip are. */
export interface ZipBytes {
  readonly size: number;
  /** Rejects when there are no such bytes. */
  read(begin: number, end: number): Promise<Uint8Array>;
}

const CHUNK_BYTES = 1 << 20;

/**
 * Opens a zip over bytes that check what is asked of them. The parser's own reader hands a place that a damaged zip
 * names to the file system as it is, and what this throws is caught by nobody: the process would end.
 */
export async function openZip(bytes: ZipBytes, options: Options = {}): Promise<ZipFile> {
  return await fromRandomAccessReaderPromise(new CheckedReader(bytes), bytes.size, options);
}

/** The bytes of an open file, which stays its opener's to close. */
export async function fileBytes(handle: FileHandle): Promise<ZipBytes> {
  const { size } = await handle.stat();
  return {
    size,
    read: async (begin, end) => {
      const buffer = Buffer.alloc(end - begin);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, begin);
      if (bytesRead < buffer.length) throw new Error(`the zip ends within bytes ${begin} to ${end}`);
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
    throw new Error(`the zip names bytes ${begin} to ${end}, but it has ${this.#bytes.size}`);
  }
}
