import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { asStorageError, messageWithoutPath } from '../common/storage-error.ts';

/** Milliseconds after a failure of the queue itself, for example on a full disk, before it is tried again. */
export const QUEUE_RETRY_MS = 5_000;

/** Whether the job queue can be read and written, as its users see it. */
export class QueueHealth {
  readonly #logger: Logger;
  #fault: string | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Why the queue does not work, without paths; undefined when it does. */
  get fault(): string | undefined {
    return this.#fault;
  }

  noteSuccess(): void {
    this.#fault = undefined;
  }

  /** Logs a fault once, not at each attempt. */
  noteFailure(thrown: unknown): void {
    const fault = messageWithoutPath(asStorageError(thrown) ?? thrown);
    if (fault !== this.#fault) this.#logger.error({ reason: messageOf(thrown) }, 'the job queue failed');
    this.#fault = fault;
  }
}
