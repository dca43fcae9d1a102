import { setTimeout as delay } from 'node:timers/promises';
import { AppError, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';

/** Milliseconds between attempts: at first, and at most. */
const FIRST_PAUSE_MS = 2_000;
const MAX_PAUSE_MS = 60_000;
/** A store that is away for longer ends the job, whose features are kept. */
const PATIENCE_MS = 15 * 60_000;

/** How long a job waits for a store. */
export interface StorePatience {
  readonly logger: Logger;
  /** Once it is aborted, nothing is begun any more: its reason is thrown. */
  readonly signal: AbortSignal;
  readonly firstPauseMs?: number;
  readonly patienceMs?: number;
}

/**
 * Does something with the store of models or of uploads, and again while it cannot be reached: neither a job nor what it
 * has trained is lost because a bucket was away for a moment. A full one is another matter, since somebody has to make room first.
 * @throws what `work` throws
 */
export async function withPatience<T>(
  { logger, signal, firstPauseMs = FIRST_PAUSE_MS, patienceMs = PATIENCE_MS }: StorePatience,
  work: () => Promise<T>,
): Promise<T> {
  const start = performance.now();
  for (let pause = firstPauseMs; ; pause = Math.min(2 * pause, MAX_PAUSE_MS)) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (thrown) {
      if (!isUnreachable(thrown) || performance.now() - start > patienceMs) throw thrown;
      logger.warn({ reason: messageOf(thrown) }, 'a job waits for its store');
    }
    await delay(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** Whether a store elsewhere, or a file in it, could not be reached. */
function isUnreachable(thrown: unknown): boolean {
  return thrown instanceof AppError && (thrown.code === 'storage_unavailable' || isUnreachable(thrown.cause));
}
