import { AppError, messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';

/** Whether the bucket of a store answers, as its last request has shown. */
export class BucketHealth {
  readonly #logger: Logger;
  #problem: string | undefined;
  #closed = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** What is wrong with the bucket, for health checks. */
  get warnings(): string[] {
    return this.#problem === undefined ? [] : [`${this.#problem} What is on this machine is served meanwhile.`];
  }

  /** Whether requests fail because they have been ended. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Makes a request, and remembers how it ended. A problem is logged once, not with each request. */
  async ask<T>(request: () => Promise<T>): Promise<T> {
    try {
      const answer = await request();
      if (this.#problem !== undefined) this.#logger.info('the bucket can be used again');
      this.#problem = undefined;
      return answer;
    } catch (thrown) {
      const problem = messageOf(thrown);
      const reason = thrown instanceof AppError && thrown.cause !== undefined ? messageOf(thrown.cause) : problem;
      if (this.#problem !== problem && !this.#closed) this.#logger.error({ reason }, problem);
      this.#problem = problem;
      throw thrown;
    }
  }

  /** Logs no problem from now on. */
  close(): void {
    this.#closed = true;
  }
}
