import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { AppError, messageOf } from '../common/errors.ts';
import type { JsonValue } from '../common/json.ts';
import type { Logger } from '../common/logger.ts';
import { asStorageError } from '../common/storage-error.ts';
import {
  type Claim,
  ClaimLostError,
  isFinished,
  type Job,
  JobCancelledError,
  type JobProgress,
  type JobQueue,
  type JobReport,
} from '../jobs/job-queue.ts';
import type { JobObserver, JobOutcome } from '../metrics/job-observer.ts';
import { withPatience } from '../registry/store-patience.ts';
import { parseFinetuneOptions } from './finetune-options.ts';
import type { ModelTrainer } from './model-trainer.ts';
import { QUEUE_RETRY_MS, type QueueHealth } from './queue-health.ts';
import type { OnProgress } from './training-progress.ts';

/** Well within the lease of a claim. */
const HEARTBEAT_MS = 10_000;
/** Milliseconds that a claim waits for a job without a failure, after which the queue counts as working again. */
const RECOVERED_MS = 10_000;

/**
 * Work of jobs that are no fine-tunes, by the `kind` in their payload.
 * @returns the result of the job
 */
export type OtherWork = (
  payload: JsonValue,
  archive: string,
  control: { readonly onProgress: (progress: JobProgress) => void; readonly signal: AbortSignal },
) => Promise<JsonValue>;

/** Dependencies of `JobWorker`. */
interface JobWorkerParts {
  readonly trainer: Pick<ModelTrainer, 'train'>;
  readonly queue: JobQueue;
  readonly health: QueueHealth;
  readonly logger: Logger;
  readonly observer: JobObserver;
  /** Work of jobs that are no fine-tunes, by their kind. */
  readonly others: Readonly<Record<string, OtherWork>>;
}

/** Works on the jobs of a queue. */
export class JobWorker {
  readonly #parts: JobWorkerParts;
  /** Why the last attempts at jobs were interrupted, by the ids of the jobs. */
  readonly #interrupted = new Map<string, string>();

  constructor(parts: JobWorkerParts) {
    this.#parts = parts;
  }

  /**
   * Why the last attempts at jobs were interrupted, by the ids of the jobs, until these end. Those that ended with it, or on
   * another machine, are among them until the next job ends here.
   */
  get interrupted(): ReadonlyMap<string, string> {
    return this.#interrupted;
  }

  /**
   * Claims jobs and works on them, one after the other. More calls work on more jobs at once.
   * @param drain once it fires, no new job is taken
   * @param stop ends the job that runs; the queue takes it back when it closes
   */
  async work(drain: AbortSignal, stop: AbortSignal): Promise<void> {
    const { health, logger } = this.#parts;
    while (!drain.aborted) {
      try {
        const claim = await this.#claim(drain);
        // One that comes while the queue closes is given back.
        if (claim !== undefined && !drain.aborted) await this.#workOn(claim, stop);
        health.noteSuccess();
      } catch (thrown) {
        if (thrown instanceof ClaimLostError) {
          logger.warn({ reason: messageOf(thrown) }, 'a job was taken away');
          continue;
        }
        // A claim that could not be ended runs out by itself, and its job is queued again.
        health.noteFailure(thrown);
        await delay(QUEUE_RETRY_MS, undefined, { signal: drain }).catch(() => undefined);
      }
    }
  }

  async #claim(signal: AbortSignal): Promise<Claim | undefined> {
    const { queue, health } = this.#parts;
    const recovered = setTimeout(() => health.noteSuccess(), RECOVERED_MS).unref();
    try {
      return await queue.claim(signal);
    } finally {
      clearTimeout(recovered);
    }
  }

  async #workOn(claim: Claim, stop: AbortSignal): Promise<void> {
    const { queue, observer, others } = this.#parts;
    // Reports are made in order. A claim that was lost meanwhile shows when the job ends.
    let reported: Promise<void> = Promise.resolve();
    const report = (next: JobReport): void => {
      reported = reported.then(() => queue.report(claim, next)).catch(() => undefined);
    };
    const heartbeat = setInterval(() => report({ type: 'heartbeat' }), HEARTBEAT_MS);
    const observed = observer.startJob(claim.job.id);
    try {
      const onProgress = (progress: JobProgress, kept?: number): void => {
        observed.phase(progress.phase);
        report({ type: 'progress', progress, ...(kept !== undefined && { kept }) });
      };
      const other = others[kindOf(claim.job)];
      const end = await this.#attempt(claim, stop, (archive, signal) =>
        other === undefined
          ? this.#train(claim.job, archive, ({ kept, ...progress }) => onProgress(progress, kept), signal)
          : other(claim.job.payload, archive, { onProgress: (progress) => onProgress(progress), signal }),
      );
      observed.end(outcomeOf(end));
      await reported;
      if (end?.type === 'abandoned') this.#interrupted.set(claim.job.id, end.reason);
      else this.#interrupted.delete(claim.job.id);
      if (end !== undefined) await queue.report(claim, end);
      await this.#forgetEnded(claim.job.id);
    } finally {
      clearInterval(heartbeat);
    }
  }

  /** Forgets the interruptions of other jobs that have ended, maybe on another machine. */
  async #forgetEnded(worked: string): Promise<void> {
    const others = [...this.#interrupted.keys()].filter((id) => id !== worked);
    if (others.length === 0) return;
    const jobs = await this.#parts.queue.list();
    const unfinished = new Set(jobs.filter(({ state }) => !isFinished(state)).map(({ id }) => id));
    for (const id of others) if (!unfinished.has(id)) this.#interrupted.delete(id);
  }

  async #train(job: Job, archive: string, onProgress: OnProgress, signal: AbortSignal): Promise<JsonValue> {
    const { trainer, logger } = this.#parts;
    logger.info({ job: job.id }, 'fine-tuning');
    const options = parseFinetuneOptions(job.payload);
    const { model, version, promoted, summary } = await trainer.train(options, archive, job.id, { onProgress, signal });
    logger.info({ job: job.id, model, version, promoted }, 'fine-tuned');
    return { model, version, promoted, summary };
  }

  /** @returns how the job ended; undefined when the claim is lost or the server stops */
  async #attempt(
    { job, signal, archivePath }: Claim,
    stop: AbortSignal,
    work: (archive: string, signal: AbortSignal) => Promise<JsonValue>,
  ): Promise<JobReport | undefined> {
    const either = AbortSignal.any([signal, stop]);
    try {
      const archive = await this.#fetch(archivePath, either);
      if (archive === undefined) throw new AppError('internal', 'the archive of the job is gone');
      return { type: 'succeeded', result: await work(archive, either) };
    } catch (thrown) {
      // The queue takes the job back when it is closed, so that it continues after a restart.
      if (stop.aborted) return undefined;
      if (signal.aborted) return signal.reason instanceof JobCancelledError ? { type: 'cancelled' } : undefined;
      return this.#failure(job, thrown);
    }
  }

  /** Waits for a bucket that is away. After that, another worker may be able to fetch the archive. */
  async #fetch(archivePath: Claim['archivePath'], signal: AbortSignal): Promise<string | undefined> {
    try {
      return await withPatience({ logger: this.#parts.logger, signal }, archivePath);
    } catch (thrown) {
      if (!(thrown instanceof AppError) || thrown.code !== 'storage_unavailable') throw thrown;
      throw new AppError('training_lost', thrown.message, { cause: thrown });
    }
  }

  #failure({ id }: Job, thrown: unknown): JobReport {
    const reason = messageOf(thrown);
    if (thrown instanceof AppError && thrown.code === 'training_lost') return { type: 'abandoned', reason };
    const error = asStorageError(thrown) ?? (thrown instanceof AppError ? thrown : new AppError('internal', reason));
    this.#parts.logger.warn({ job: id, code: error.code, reason, err: thrown }, 'a job failed');
    return { type: 'failed', failure: { code: error.code, message: error.message } };
  }
}

/** The kind of work of a job; fine-tunes have none. */
function kindOf({ payload }: Job): string {
  const parsed = z.object({ kind: z.string() }).safeParse(payload);
  return parsed.success ? parsed.data.kind : '';
}

function outcomeOf(end: JobReport | undefined): JobOutcome {
  return end?.type === 'succeeded' || end?.type === 'failed' || end?.type === 'cancelled' ? end.type : 'interrupted';
}
