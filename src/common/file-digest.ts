import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** SHA-256 of a file, and its size in bytes. @param onBytes told how far it is */
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
