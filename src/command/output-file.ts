import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageWithoutPath } from '../common/storage-error.ts';

/**
 * Writes a file under another name until it is whole: an interrupted command leaves what was there before.
 * @throws Error that names the file; the signal's reason
 */
export async function writeOutput(
  path: string,
  content: Readable | Uint8Array | string,
  signal: AbortSignal,
): Promise<void> {
  const unfinished = `${path}.partial`;
  try {
    const source = content instanceof Readable ? content : Readable.from([content]);
    await pipeline(source, createWriteStream(unfinished), { signal });
    await rename(unfinished, path);
  } catch (thrown) {
    signal.throwIfAborted();
    throw new Error(`${path} cannot be written: ${messageWithoutPath(thrown)}`, { cause: thrown });
  } finally {
    await rm(unfinished, { force: true });
  }
}
