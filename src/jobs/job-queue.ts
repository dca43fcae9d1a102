import type { JsonValue } from '../common/json.ts';
import type { DependencyState } from '../metrics/metrics.ts';

export const JOB_STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

/** Whether the state is final. */
export function isFinished(state: JobState): boolean {
  return state !== 'queued' && state !== 'running';
}

/** `low` waits until no job of priority `normal` does. */
export const JOB_PRIORITIES = ['normal', 'low'] as const;
export type JobPriority = (typeof JOB_PRIORITIES)[number];

/** How far a job is: the phase and numbers that depend on it. */
export interface JobProgress {
  readonly phase: string;
  readonly [key: string]: JsonValue | undefined;
}

/** Why a job failed. `code` is stable; `worker_lost` and `job_unreadable` are the queue's own. */
export interface JobFailure {
  readonly code: string;
  readonly message: string;
}

/**
 * Makes a request safe to send again: a client whose answer was lost sends it with the same key (the `Idempotency-Key`
 * header of an IETF draft, draft-ietf-httpapi-idempotency-key-header) and gets the same job.
 */
export interface Idempotency {
  readonly key: string;
  /** The same for requests that ask for the same, and for no others. */
  readonly fingerprint: string;
}

/** A job as clients see it. Times are ISO 8601 in UTC. */
export interface Job {
  /** Opaque; safe in a URL; sorts by creation. */
  readonly id: string;
  readonly state: JobState;
  readonly payload: JsonValue;
  /** How often a worker has taken the job since more of it was kept. */
  readonly attempts: number;
  /** The most of the job's work that was ever kept, as `JobReport` counts it. */
  readonly kept: number;
  /** Whether a running job is to end as cancelled. */
  readonly cancelRequested: boolean;
  readonly createdAt: string;
  /** When a worker last took it. */
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly progress: JobProgress | null;
  /** The result that the worker reported; null until the job has succeeded. */
  readonly result: JsonValue;
  readonly failure: JobFailure | null;
  /** Of the request that made it. */
  readonly idempotency: Idempotency | null;
  readonly priority: JobPriority;
  /** Who asked for it; see `JobRequest`. */
  readonly owner: string | null;
  /** Its place among the jobs of its priority: lower ones are taken first. */
  readonly turn: number;
}

/** An entry of a job's log. Ids count up from 1 within the job; old entries are dropped from a long log. */
export interface JobEvent {
  readonly id: number;
  readonly at: string;
  readonly data:
    | { readonly type: 'state'; readonly state: JobState; readonly failure: JobFailure | null }
    /** `kept` is that of the job at this time. */
    | { readonly type: 'progress'; readonly progress: JobProgress; readonly kept: number };
}

/** Input of `enqueue`. */
export interface JobRequest {
  readonly payload: JsonValue;
  /** A local file that belongs to the job, for example an uploaded zip. `enqueue` moves it into the queue. */
  readonly archivePath?: string;
  readonly idempotency?: Idempotency;
  /** Default `normal`. */
  readonly priority?: JobPriority;
  /**
   * Who asks for it, such as the id of a key. Owners take turns, each has a limited number of places in the queue, and
   * idempotency keys of its own. Jobs without an owner are of one that the number does not limit.
   */
  readonly owner?: string;
}

/** The right of one worker to work on one job, until it reports an end or the lease runs out. */
export interface Claim {
  readonly job: Job;
  /** Names this claim among all that were ever made on the job. */
  readonly token: string;
  /** Fires when the worker must stop: the job is to be cancelled, or the claim is lost. The reason says which. */
  readonly signal: AbortSignal;
  /** Path of the job's archive on the worker's machine, valid while the claim lasts. Undefined if it has none. */
  archivePath(): Promise<string | undefined>;
}

/** What a worker reports about the job that it holds. Each report renews the lease. */
export type JobReport =
  | { readonly type: 'heartbeat' }
  | {
      readonly type: 'progress';
      readonly progress: JobProgress;
      /**
       * How much of the job's work is on disk and need not be done again by the next worker, in any unit that grows
       * with the work. An attempt during which it reached a new maximum does not count.
       */
      readonly kept?: number;
    }
  | { readonly type: 'succeeded'; readonly result: JsonValue }
  | { readonly type: 'failed'; readonly failure: JobFailure }
  /** The worker lost what it worked with, through no fault of the job: as if the worker itself had been lost. */
  | { readonly type: 'abandoned'; readonly reason: string }
  /** The answer to a signal that asked for it. */
  | { readonly type: 'cancelled' };

/** The claim is no longer the worker's: its lease ran out, the job was cancelled without it, or the queue closed. */
export class ClaimLostError extends Error {
  constructor(reason: string) {
    super(`the claim on the job is lost: ${reason}`);
    this.name = 'ClaimLostError';
  }
}

/** Reason of a claim's signal when the job is to be cancelled. */
export class JobCancelledError extends Error {
  constructor() {
    super('the job was cancelled');
    this.name = 'JobCancelledError';
  }
}

/**
 * Jobs that outlive the processes that create them and work on them: queued -> running -> succeeded, failed or
 * cancelled. Callers and workers may be in different processes, on different machines. What a call has acknowledged by
 * resolving survives the death of any of them, with one exception: while the queue's storage cannot be written, what a
 * worker reports is shown at once, and stored as soon as possible.
 */
export interface JobQueue {
  /** Sentences for people: what its storage may lose of what was acknowledged, and how to cure it. */
  readonly warnings: readonly string[];
  /** What it stands on beyond this machine. */
  readonly dependencies: readonly DependencyState[];
  /**
   * Makes a job. Where the key of the request has made one that is still kept, that is the answer, and the archive is left
   * where it was: however many such requests come at once, on whatever machine, there is one job.
   * @throws AppError `job_queue_full`, also when the owner has its places (the archive is then left where it was);
   * `shutting_down`; `idempotency_key_reused` when the key came with another fingerprint
   */
  enqueue(request: JobRequest): Promise<Job>;
  /**
   * Waits for a job and takes the next, for this caller only. Those of low priority come last. Among jobs of a priority
   * their owners take turns: the first job of each, then the second of each that has had one, and within a turn the oldest
   * first. One that is queued again comes before others of its turn at the latest.
   * @returns undefined once `signal` fires or the queue closes
   */
  claim(signal?: AbortSignal): Promise<Claim | undefined>;
  /**
   * Must be called well within the lease while a job is held. A job whose worker falls silent, or dies, is queued
   * again. After too many attempts that kept nothing new it fails as `worker_lost`. A failure reported by a worker is
   * final; one that follows a request to cancel counts as cancelled.
   * @throws ClaimLostError
   */
  report(claim: Claim, report: JobReport): Promise<void>;
  /**
   * Resolves, within about a second, when the job is cancelled; a worker that does not answer in time loses its claim.
   * @throws AppError `job_not_found`; `job_finished`, also when the worker ended first
   */
  cancel(id: string): Promise<Job>;
  /** @throws AppError `job_not_found` */
  get(id: string): Promise<Job>;
  /** Newest first. Only a limited number of finished jobs is kept. */
  list(): Promise<readonly Job[]>;
  /**
   * The job's log after `afterId` (0: all that is kept), then new events, until the job is finished, `signal` fires or
   * the queue closes. An event's id may be given later to continue from there.
   * @throws AppError `job_not_found`, at the first step
   */
  events(id: string, afterId?: number, signal?: AbortSignal): AsyncIterable<JobEvent>;
  /** Ends every wait and gives back the claims that this object made, so that their jobs can be taken again at once. */
  close(): Promise<void>;
}
