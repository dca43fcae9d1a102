import { type FileHandle, open } from 'node:fs/promises';
import { ConversionError } from '../conversion-error.ts';

/** Random access to the bytes of a file, or of a buffer. */
export interface ByteSource {
  readonly size: number;
  /** @throws ConversionError when the source ends before `end` */
  read(begin: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A file, read on demand. @throws the error of the file system when it cannot be opened */
export async function openFile(path: string): Promise<ByteSource> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    return { size, read: readRange.bind(undefined, handle), close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

export function bufferSource(buffer: Uint8Array): ByteSource {
  return {
    size: buffer.length,
    read: async (begin, end) => {
      if (end > buffer.length) throw endsEarly(buffer.length, end);
      return buffer.subarray(begin, end);
    },
    close: async () => {},
  };
}

async function readRange(handle: FileHandle, begin: number, end: number): Promise<Uint8Array> {
  // A new ArrayBuffer instead of a slice of the pool, so that a typed array of any element size can view it.
  const buffer = new Uint8Array(end - begin);
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, begin + filled);
    if (bytesRead === 0) throw endsEarly(begin + filled, end);
    filled += bytesRead;
  }
  return buffer;
}

function endsEarly(at: number, wanted: number): ConversionError {
  return new ConversionError(`the file ends at byte ${at}, before byte ${wanted}`);
}
