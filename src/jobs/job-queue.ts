import type { JsonValue } from '../common/json.ts';

export const JOB_STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type JobState = (typeof JOB_STATES)[number];

/** Whether a job in this state stays as it is. */
export function isFinished(state: JobState): boolean {
  return state !== 'queued' && state !== 'running';
}

/** How far a job is: the phase, and whatever numbers go with it. */
export interface JobProgress {
  readonly phase: string;
  readonly [key: string]: JsonValue | undefined;
}

/** Why a job failed. `code` is stable; `worker_lost` is the queue's own. */
export interface JobFailure {
  readonly code: string;
  readonly message: string;
}

/** A job as everyone sees it. Times are ISO 8601 in UTC. */
export interface Job {
  /** Opaque; safe in a URL; sorts by creation. */
  readonly id: string;
  readonly state: JobState;
  readonly payload: JsonValue;
  /** How often a worker has taken it. */
  readonly attempts: number;
  /** A running job that is to end as cancelled. */
  readonly cancelRequested: boolean;
  readonly createdAt: string;
  /** When a worker last took it. */
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly progress: JobProgress | null;
  /** What the worker said when it succeeded. */
  readonly result: JsonValue;
  readonly failure: JobFailure | null;
}

/** An entry of a job's log. Ids count up from 1 within the job; old entries are dropped from a long log. */
export interface JobEvent {
  readonly id: number;
  readonly at: string;
  readonly data:
    | { readonly type: 'state'; readonly state: JobState; readonly failure: JobFailure | null }
    | { readonly type: 'progress'; readonly progress: JobProgress };
}

/** What a new job is made of. */
export interface JobRequest {
  readonly payload: JsonValue;
  /** A local file that goes with the job, such as the uploaded zip. The queue moves it away once it takes the job. */
  readonly archivePath?: string;
}

/** The right of one worker to work on one job, until it reports an end or the lease runs out. */
export interface Claim {
  readonly job: Job;
  /** Names this claim among all that were ever made on the job. */
  readonly token: string;
  /** Fires when the worker must stop: the job is to be cancelled, or the claim is lost. The reason says which. */
  readonly signal: AbortSignal;
  /** A path, on the worker's machine, of the job's archive; good while the claim lasts. Undefined if it has none. */
  archivePath(): Promise<string | undefined>;
}

/** What a worker says about the job that it holds. Each one renews the lease. */
export type JobReport =
  | { readonly type: 'heartbeat' }
  | { readonly type: 'progress'; readonly progress: JobProgress }
  | { readonly type: 'succeeded'; readonly result: JsonValue }
  | { readonly type: 'failed'; readonly failure: JobFailure }
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
 * Jobs that outlive the processes that make them and work on them: queued -> running -> succeeded, failed or
 * cancelled. Callers and workers may sit in different processes, on different machines; whatever a call has
 * acknowledged by resolving survives the death of any of them.
 */
export interface JobQueue {
  /** @throws AppError `job_queue_full` (the archive is then left where it was), `shutting_down` */
  enqueue(request: JobRequest): Promise<Job>;
  /** Waits for a job and takes the oldest, for this caller alone. Undefined once `signal` fires or the queue closes. */
  claim(signal?: AbortSignal): Promise<Claim | undefined>;
  /**
   * Must be called well within the lease while a job is held. A job whose worker falls silent, or dies, is queued
   * again, and fails as `worker_lost` after too many attempts. A failure reported by a worker is final; one that
   * follows a request to cancel counts as cancelled.
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
  /** Newest first. Of the finished ones only so many are kept. */
  list(): Promise<readonly Job[]>;
  /**
   * The job's log after `afterId` (0: all that is kept), then what happens, until the job is finished, `signal` fires
   * or the queue closes. An event's id may be given later to go on from there.
   * @throws AppError `job_not_found`, at the first step
   */
  events(id: string, afterId?: number, signal?: AbortSignal): AsyncIterable<JobEvent>;
  /** Ends every wait and gives back the claims that this object made, so that their jobs can be taken again at once. */
  close(): Promise<void>;
}
