import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { digestFile } from '../common/file-digest.ts';
import { readChecksum } from './checksum-file.ts';
import { DownloadError } from './download-error.ts';
import type { Downloaded, DownloadRequest } from './download-request.ts';

/** A file to copy from a folder. */
export interface CopyRequest
  extends Pick<DownloadRequest, 'target' | 'sha256' | 'size' | 'prefix' | 'signal' | 'onProgress'> {
  readonly path: string;
}

/**
 * Copies a file of this machine as `download` fetches one of another: it appears whole and verified.
 *
 * @throws DownloadError when it is another file than the one requested; the signal's reason
 */
export async function copyVerified(request: CopyRequest): Promise<Downloaded> {
  const { path, target, size, prefix, signal, onProgress } = request;
  const total = prefix ? size : (await stat(path)).size;
  if (size !== undefined && total !== size) throw new DownloadError(`${path} has ${total} bytes, not ${size}`);
  const wanted = request.sha256 ?? (await readChecksum(path));
  const part = `${target}.part`;
  let done = 0;
  const counted = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      done += chunk.length;
      onProgress({ phase: 'download', done, total });
      yield chunk;
    }
  };
  const end = prefix ? { end: Number(size) - 1 } : {};
  try {
    await pipeline(createReadStream(path, end), counted, createWriteStream(part, { flush: true }), { signal });
    const found = await digestFile(part, (bytes) => onProgress({ phase: 'verify', done: bytes, total }), signal);
    if (found.sha256 !== wanted) {
      throw new DownloadError(`${path} is another file: it has SHA-256 ${found.sha256}, not ${wanted}`);
    }
    await rename(part, target);
    return found;
  } catch (thrown) {
    // Unlike a download, a copy is cheap to begin again.
    await rm(part, { force: true });
    signal.throwIfAborted();
    throw thrown;
  }
}
