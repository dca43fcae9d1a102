import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { digestFile } from '../common/file-digest.ts';
import { DownloadError } from './download-error.ts';
import type { Downloaded, DownloadRequest } from './download-request.ts';

/** A file to take from a folder. */
export interface CopyRequest
  extends Pick<DownloadRequest, 'target' | 'sha256' | 'size' | 'prefix' | 'signal' | 'onProgress'> {
  readonly path: string;
}

/** As `download`, from a folder of this machine. @throws DownloadError that says what is wrong; the signal's reason */
export async function copyVerified(request: CopyRequest): Promise<Downloaded> {
  const { path, target, size, prefix, signal, onProgress } = request;
  const total = prefix ? size : (await stat(path)).size;
  if (size !== undefined && total !== size) throw new DownloadError(`${path} has ${total} bytes, not ${size}`);
  const wanted = request.sha256 ?? (await digestBeside(path));
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
  await pipeline(createReadStream(path, end), counted, createWriteStream(part, { flush: true }), { signal });
  const found = await digestFile(part, (bytes) => onProgress({ phase: 'verify', done: bytes, total }), signal);
  if (found.sha256 === wanted) {
    await rename(part, target);
    return found;
  }
  await rm(part);
  throw new DownloadError(`${path} has SHA-256 ${found.sha256}, not ${wanted}: it is another file`);
}

async function digestBeside(path: string): Promise<string> {
  const text = await readFile(`${path}.sha256`, 'utf8').catch(() => '');
  const digest = /^[0-9a-f]{64}\b/i.exec(text)?.[0];
  if (digest !== undefined) return digest.toLowerCase();
  throw new DownloadError(`no digest is known of ${path}: neither the manifest has one, nor ${path}.sha256`);
}
