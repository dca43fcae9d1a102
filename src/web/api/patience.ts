import { RequestError } from './problem.ts';

/** Seconds to wait when a busy server names none. */
const DEFAULT_WAIT_S = 1;
/** The page does not wait longer than this for one attempt, in seconds. */
const MAX_WAIT_S = 60;
const MAX_ATTEMPTS = 8;

/**
 * Repeats a request while the server is busy (429), unavailable (503) or pulls the model (202), and waits before each attempt as long as its
 * `Retry-After` asks.
 *
 * @param onWait called before each wait with its seconds and the reason
 * @throws RequestError of the last attempt; the signal's reason
 */
export async function patiently<T>(
  request: () => Promise<T>,
  signal: AbortSignal,
  onWait: (seconds: number, reason: RequestError) => void = () => {},
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request();
    } catch (thrown) {
      if (!(thrown instanceof RequestError) || ![202, 429, 503].includes(thrown.status)) throw thrown;
      const seconds = thrown.retryAfter ?? DEFAULT_WAIT_S;
      if (attempt === MAX_ATTEMPTS || seconds > MAX_WAIT_S) throw thrown;
      onWait(seconds, thrown);
      await wait(seconds * 1_000, signal);
    }
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
