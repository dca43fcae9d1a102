import { setMaxListeners } from 'node:events';

/**
 * Runs a task for each item, at most `limit` at once. After a failure no further task starts.
 * @throws the first failure, once every task that was running has ended
 */
export async function forEachConcurrently<T>(
  items: Iterable<T>,
  limit: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items[Symbol.iterator]();
  let failure: { readonly thrown: unknown } | undefined;
  const work = async (): Promise<void> => {
    for (let next = waiting.next(); !next.done && failure === undefined; next = waiting.next()) {
      try {
        await task(next.value);
      } catch (thrown) {
        failure ??= { thrown };
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, work));
  if (failure !== undefined) throw failure.thrown;
}

/** A signal for many tasks at once, each of which listens to it: Node.js warns of so many on one of the caller's. */
export function sharedSignal(signal: AbortSignal | undefined): AbortSignal {
  const shared = AbortSignal.any(signal === undefined ? [] : [signal]);
  setMaxListeners(0, shared);
  return shared;
}
