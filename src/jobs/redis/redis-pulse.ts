import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf } from './redis-connection.ts';

/** Milliseconds between two questions. */
const ASK_INTERVAL_MS = 2_000;

/** Knows whether Redis answers: it asks every two seconds until it is closed. */
export class RedisPulse {
  readonly #closing = new AbortController();
  #problem: string | undefined;

  /** @param ask fails when Redis does not answer */
  constructor(ask: () => Promise<unknown>) {
    void this.#run(ask);
  }

  /** Why Redis did not answer when it was last asked; undefined when it did, or was not asked yet. */
  get problem(): string | undefined {
    return this.#problem;
  }

  close(): void {
    this.#closing.abort();
  }

  async #run(ask: () => Promise<unknown>): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await ask();
        this.#problem = undefined;
      } catch (thrown) {
        this.#problem = reasonOf(thrown);
      }
      await delay(ASK_INTERVAL_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}
