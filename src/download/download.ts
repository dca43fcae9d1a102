import { setTimeout as delay } from 'node:timers/promises';
import { digestFile } from '../common/file-digest.ts';
import { DownloadError, shown, TransientError, UnreachableError } from './download-error.ts';
import type { Downloaded, DownloadRequest } from './download-request.ts';
import { fetchPart } from './fetch-part.ts';
import { PartFile } from './part-file.ts';

/** Failures in a row, without a byte more than before, after which a download is given up. */
const MAX_FAILURES = 6;
/** The same for a host that never answered: without a network, waiting does not help. */
const MAX_UNREACHABLE = 2;
/** Longest wait between two attempts, in milliseconds. */
const MAX_WAIT_MS = 60_000;

/**
 * Downloads a file. Retries, resumes where an earlier attempt was interrupted, and moves the file into place once its
 * size and digest are right.
 *
 * @throws UnreachableError; NotFoundError; DownloadError for any other failure; the signal's reason
 */
export async function download(request: DownloadRequest): Promise<Downloaded> {
  const { url, target, size, signal, onProgress } = request;
  const part = new PartFile(target);
  for (;;) {
    const resumed = (await part.found(url.href)) !== undefined;
    const wanted = await retry(request, part, () => fetchPart(request, part));
    const onBytes = (done: number) => onProgress({ phase: 'verify', done, total: size });
    const found = await digestFile(part.path, onBytes, signal);
    if (found.sha256 === wanted) {
      await part.finish();
      return found;
    }
    await part.remove();
    // What an earlier run left may have been damaged since: download it once more from the beginning.
    if (resumed) continue;
    throw new DownloadError(
      `${shown(url)} is another file: it has SHA-256 ${found.sha256}, not ${wanted}. It was removed`,
    );
  }
}

/** Repeats an attempt while its failures are transient and it makes progress. */
async function retry<T>(request: DownloadRequest, part: PartFile, attempt: () => Promise<T>): Promise<T> {
  const { url, backoffMs, signal } = request;
  let [failures, reached, answered] = [0, 0, false];
  for (;;) {
    try {
      return await attempt();
    } catch (thrown) {
      signal.throwIfAborted();
      if (!(thrown instanceof TransientError)) throw thrown;
      const size = (await part.found(url.href))?.size ?? 0;
      failures = size > reached ? 1 : failures + 1;
      reached = Math.max(reached, size);
      answered ||= !thrown.unreachable;
      if (!answered && failures >= MAX_UNREACHABLE) throw new UnreachableError(thrown.message);
      if (failures >= MAX_FAILURES) {
        const kept = size === 0 ? '' : `; the next pull resumes after the ${size} bytes received`;
        throw new DownloadError(`${thrown.message}, ${failures} times in a row${kept}`);
      }
      // Random, so that clients that were cut off together do not return together.
      const wait = backoffMs * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
      const ms = Math.min(thrown.retryAfterMs ?? wait, MAX_WAIT_MS);
      await delay(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}
