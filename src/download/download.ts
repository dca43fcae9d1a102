import { setTimeout as delay } from 'node:timers/promises';
import { digestFile } from '../common/file-digest.ts';
import { DownloadError, PassingError, shown, UnreachableError } from './download-error.ts';
import type { Downloaded, DownloadRequest } from './download-request.ts';
import { fetchPart } from './fetch-part.ts';
import { PartFile } from './part-file.ts';

/** Failures in a row, without a byte more than before, after which a download is given up. */
const MAX_FAILURES = 6;
/** As above, of a host that never answered: without a network there is nothing to wait for. */
const MAX_UNREACHABLE = 2;
/** Longest wait between two tries, in milliseconds. */
const MAX_WAIT_MS = 60_000;

/**
 * Fetches a file, goes on where an earlier try was cut off, and puts it in its place once size and digest are right.
 * @throws UnreachableError; NotThereError; DownloadError that says what is wrong; the signal's reason
 */
export async function download(request: DownloadRequest): Promise<Downloaded> {
  const { url, target, size, signal, onProgress } = request;
  const part = new PartFile(target);
  for (;;) {
    const resumed = (await part.found(url.href)) !== undefined;
    const wanted = await untilItCame(request, () => fetchPart(request, part));
    const tell = (done: number) => onProgress({ phase: 'verify', done, total: size });
    const found = await digestFile(part.path, tell, signal);
    if (found.sha256 === wanted) {
      await part.finish();
      return found;
    }
    await part.remove();
    // What an earlier run left may have been damaged since: once more, from the beginning.
    if (resumed) continue;
    throw new DownloadError(
      `${shown(url)} has SHA-256 ${found.sha256}, not ${wanted}: it is another file, and not kept`,
    );
  }
}

/** Tries until it succeeds or there is no hope. */
async function untilItCame<T>(request: DownloadRequest, attempt: () => Promise<T>): Promise<T> {
  const { url, target, backoffMs, signal } = request;
  const part = new PartFile(target);
  let [failures, reached, answered] = [0, 0, false];
  for (;;) {
    try {
      return await attempt();
    } catch (thrown) {
      signal.throwIfAborted();
      if (!(thrown instanceof PassingError)) throw thrown;
      const size = (await part.found(url.href))?.size ?? 0;
      failures = size > reached ? 1 : failures + 1;
      reached = Math.max(reached, size);
      answered ||= !thrown.unreachable;
      if (!answered && failures >= MAX_UNREACHABLE) throw new UnreachableError(thrown.message);
      if (failures >= MAX_FAILURES) {
        const kept = size === 0 ? '' : `; ${size} bytes are kept, and the next pull goes on from there`;
        throw new DownloadError(`${thrown.message}, ${failures} times in a row${kept}`);
      }
      // Not all who were cut off at once should come back at once.
      const wait = backoffMs * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
      await delay(Math.min(thrown.retryAfterMs ?? wait, MAX_WAIT_MS), undefined, { signal });
    }
  }
}
