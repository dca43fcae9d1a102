import { AppError, messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { asStorageError } from '../../common/storage-error.ts';

/**
 * Milliseconds for which a bucket counts as full that has refused a write. Nobody may write meanwhile, which would show that
 * there is room again; clients are told to wait as long.
 */
const FULL_MS = 60_000;

/** Whether the bucket of a store answers, as its last request has shown, and whether it takes more, as its writes have. */
export class BucketHealth {
  readonly #logger: Logger;
  /** Why the last request was not answered. */
  #problem: string | undefined;
  /** When a write was last refused because the bucket is full. */
  #fullSince: number | undefined;
  #closed = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Whether the last request was answered. A bucket that is full answers. */
  get isUp(): boolean {
    return this.#problem === undefined;
  }

  /** What is wrong with the bucket, for health checks. */
  get warnings(): string[] {
    const isFull = this.#fullSince !== undefined && performance.now() - this.#fullSince < FULL_MS;
    return [
      ...(this.#problem === undefined ? [] : [`${this.#problem} What is on this machine is served meanwhile.`]),
      ...(isFull ? ['The bucket of the server is full: models are served, but cannot be added or changed.'] : []),
    ];
  }

  /** Whether requests fail because they have been ended. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Makes a request, and remembers how it ended. A problem is logged once, not with each request. */
  async ask<T>(request: () => Promise<T>): Promise<T> {
    try {
      const answer = await request();
      this.#noteAnswer();
      return answer;
    } catch (thrown) {
      this.#noteFailure(thrown);
      throw thrown;
    }
  }

  /** As `ask`, for a request that takes room in the bucket. */
  async write<T>(request: () => Promise<T>): Promise<T> {
    const answer = await this.ask(request);
    this.#fullSince = undefined;
    return answer;
  }

  /** Logs no problem from now on. */
  close(): void {
    this.#closed = true;
  }

  #noteAnswer(): void {
    if (this.#problem !== undefined) this.#logger.info('the bucket can be used again');
    this.#problem = undefined;
  }

  #noteFailure(thrown: unknown): void {
    const cause = thrown instanceof AppError ? thrown.cause : undefined;
    // The disk of this machine is full or broken, to which a file was to be copied.
    if (asStorageError(cause) !== undefined) return;
    const problem = messageOf(thrown);
    const reason = cause === undefined ? problem : messageOf(cause);
    if (thrown instanceof AppError && thrown.code === 'storage_full') {
      this.#noteAnswer();
      if (this.#fullSince === undefined) this.#logger.error({ reason }, problem);
      this.#fullSince = performance.now();
      return;
    }
    if (this.#problem !== problem && !this.#closed) this.#logger.error({ reason }, problem);
    this.#problem = problem;
  }
}
