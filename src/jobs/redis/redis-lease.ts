import { ClaimLostError, JobCancelledError } from '../job-queue.ts';
import type { Delivered } from './job-delivery.ts';

/** A worker's side of a claim. It runs out by itself when Redis cannot be asked, since another may have the job then. */
export class RedisLease {
  readonly token: string;
  readonly delivered: Delivered;
  readonly #controller = new AbortController();
  readonly #expiry: NodeJS.Timeout;
  /** Whether the worker is reporting the end: that the job has no holder then is its own doing. */
  isEnding = false;
  /** How many reports the worker has made. */
  reports = 0;
  #isHeld = true;

  constructor(token: string, delivered: Delivered, leaseMs: number) {
    this.token = token;
    this.delivered = delivered;
    this.#expiry = setTimeout(() => this.lose('its lease ran out'), leaseMs).unref();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  renew(): void {
    if (this.#isHeld) this.#expiry.refresh();
  }

  askToCancel(): void {
    if (this.#isHeld) this.#controller.abort(new JobCancelledError());
  }

  /** Ends it because the worker has ended its job. */
  end(): void {
    this.#isHeld = false;
    clearTimeout(this.#expiry);
  }

  /** Ends it against the worker's will. */
  lose(reason: string): void {
    if (!this.#isHeld) return;
    this.end();
    this.#controller.abort(new ClaimLostError(reason));
  }
}
