/** How much is kept. */
export interface RecordLimits {
  /** Finished jobs that are kept. */
  readonly keepFinished: number;
  /** The most events that are kept of one job; when it is reached, the older half is dropped. */
  readonly maxEvents: number;
}

/** Limits of a queue. */
export interface JobQueueLimits extends RecordLimits {
  /** Jobs that may be queued; one more is refused. */
  readonly maxQueued: number;
  /** Those of them that may be of one owner. */
  readonly maxQueuedPerOwner: number;
  /** Attempts in a row that keep nothing new, after which the loss of the worker makes a job fail. */
  readonly maxAttempts: number;
  /** Milliseconds of silence after which a worker has lost its claim. */
  readonly leaseMs: number;
  /** Milliseconds that a worker has to answer a request to cancel. */
  readonly cancelGraceMs: number;
}

export const DEFAULT_LIMITS: JobQueueLimits = {
  maxQueued: 16,
  // However many one owner sends, as many places are left for all others.
  maxQueuedPerOwner: 8,
  maxAttempts: 3,
  leaseMs: 60_000,
  cancelGraceMs: 800,
  keepFinished: 100,
  maxEvents: 1_000,
};

/** Jobs take minutes, so a place rarely becomes free sooner. */
export const QUEUE_FULL_RETRY_SECONDS = 30;
