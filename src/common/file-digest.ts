import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { messageOf } from './errors.ts';

/** A file and the SHA-256 that it should have, in hexadecimal. */
export interface FileDigest {
  readonly path: string;
  readonly sha256: string;
}

/** A file that can be made again is missing or damaged. */
export class DamagedFileError extends Error {}

/** @throws DamagedFileError when a file is missing, cannot be read or has another digest */
export async function verifyFiles(files: readonly FileDigest[]): Promise<void> {
  for (const { path, sha256 } of files) {
    const found = await digestFile(path).catch((thrown: unknown) => {
      throw new DamagedFileError(`${path} cannot be read: ${messageOf(thrown)}`, { cause: thrown });
    });
    if (found.sha256 !== sha256) {
      throw new DamagedFileError(`${path} is damaged: its SHA-256 is ${found.sha256}, not ${sha256}`);
    }
  }
}

/** Whether every file exists and has its digest. */
export async function areIntact(files: readonly FileDigest[]): Promise<boolean> {
  return await verifyFiles(files).then(
    () => true,
    () => false,
  );
}

/** SHA-256 of a file, and its size in bytes. @param onBytes called with the number of bytes that have been read */
export async function digestFile(
  path: string,
  onBytes: (done: number) => void = () => {},
  signal?: AbortSignal,
): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    signal?.throwIfAborted();
    hash.update(chunk as Buffer);
    size += (chunk as Buffer).length;
    onBytes(size);
  }
  return { sha256: hash.digest('hex'), size };
}
