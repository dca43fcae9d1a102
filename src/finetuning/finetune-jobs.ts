import { setTimeout as delay } from 'node:timers/promises';
import { AppError, type ErrorCode, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { asStorageError } from '../common/storage-error.ts';
import { type Claim, ClaimLostError, type Job, JobCancelledError, type JobQueue } from '../jobs/job-queue.ts';
import type { Preflight } from './dataset/preflight.ts';
import { checkDataset } from './dataset-check.ts';
import { type FinetuneOptions, type FinetuneRequest, parseFinetuneOptions } from './finetune-options.ts';
import type { Finetuner } from './finetuner.ts';
import type { TrainingProgress } from './training-task.ts';

/** Data sets that are looked at side by side, each in a process of its own, while jobs run beside them. */
const MAX_INSPECTIONS = 2;
/** Well within the lease of a claim. */
const HEARTBEAT_MS = 10_000;
/** After a failure of the queue itself, such as a full disk, before the next job is asked for. */
const RETRY_MS = 5_000;

/** Takes labelled archives and works on them one after the other, as jobs that outlive this process. */
export class FinetuneJobs {
  readonly #finetuner: Finetuner;
  readonly #queue: JobQueue;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #inspections = 0;
  #working: Promise<void> | undefined;

  constructor(finetuner: Finetuner, queue: JobQueue, logger: Logger) {
    this.#finetuner = finetuner;
    this.#queue = queue;
    this.#logger = logger;
  }

  /** What was submitted. */
  get jobs(): Pick<JobQueue, 'get' | 'list' | 'cancel' | 'events'> {
    return this.#queue;
  }

  /** Begins to work on jobs: those that are queued already, and those that a dead server left. */
  start(): void {
    this.#working = this.#work();
  }

  /** Ends the training that runs; its job stays in the queue and goes on, from its features, when the server is back. */
  async close(): Promise<void> {
    this.#stop.abort(new AppError('shutting_down', 'the server is stopping'));
    await this.#working;
    await this.#queue.close();
  }

  /**
   * Queues a fine-tune; the archive is moved away. Names and counts are looked at now, pictures when the job runs.
   * @throws AppError for an archive that cannot be read, is too small or has no labels; `model_not_found`; `job_queue_full`
   */
  async submit(request: FinetuneRequest, archivePath: string): Promise<Job> {
    const payload = this.#finetuner.pinBackbone(request);
    await checkDataset(archivePath);
    return this.#queue.enqueue({ payload, archivePath });
  }

  /** Looks at a data set and trains nothing. @throws AppError when it cannot be trained on; `queue_full` */
  async inspect(options: FinetuneOptions, datasetPath: string, signal: AbortSignal): Promise<Preflight['report']> {
    if (this.#inspections >= MAX_INSPECTIONS) {
      throw new AppError('queue_full', `${MAX_INSPECTIONS} data sets are being looked at: try again shortly`, {
        retryAfter: 5,
        context: { limit: MAX_INSPECTIONS },
      });
    }
    this.#inspections += 1;
    try {
      return await this.#finetuner.inspect(options, datasetPath, {
        onProgress: () => {},
        signal: AbortSignal.any([signal, this.#stop.signal]),
      });
    } finally {
      this.#inspections -= 1;
    }
  }

  async #work(): Promise<void> {
    for (;;) {
      const claim = await this.#claim();
      if (claim === undefined) return;
      try {
        await this.#workOn(claim);
      } catch (thrown) {
        if (thrown instanceof ClaimLostError) {
          this.#logger.warn({ job: claim.job.id, reason: thrown.message }, 'a job was taken away');
        } else {
          // The claim runs out by itself, and the job is queued again.
          this.#logger.error({ job: claim.job.id, reason: messageOf(thrown) }, 'the job queue failed');
          await delay(RETRY_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
        }
      }
    }
  }

  /** Waits for a job, also while the queue cannot be written, such as on a full disk; undefined when stopped. */
  async #claim(): Promise<Claim | undefined> {
    let reason: string | undefined;
    while (!this.#stop.signal.aborted) {
      try {
        return await this.#queue.claim(this.#stop.signal);
      } catch (thrown) {
        if (messageOf(thrown) !== reason) this.#logger.error({ reason: messageOf(thrown) }, 'no job can be started');
        reason = messageOf(thrown);
        await delay(RETRY_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
    return undefined;
  }

  async #workOn(claim: Claim): Promise<void> {
    const { job } = claim;
    // In order; a claim that was lost meanwhile shows when the job ends.
    let told: Promise<void> = Promise.resolve();
    const onProgress = ({ kept: _kept, ...latest }: TrainingProgress): void => {
      const event = { type: 'progress', progress: latest } as const;
      told = told.then(() => this.#queue.report(claim, event)).catch(() => undefined);
    };
    const heartbeat = setInterval(() => {
      this.#queue.report(claim, { type: 'heartbeat' }).catch(() => undefined);
    }, HEARTBEAT_MS);
    this.#logger.info({ job: job.id }, 'fine-tuning');
    try {
      const options = parseFinetuneOptions(job.payload);
      const archive = await claim.archivePath();
      if (archive === undefined) throw new AppError('internal', 'the archive of the job is gone');
      const signal = AbortSignal.any([claim.signal, this.#stop.signal]);
      const published = await this.#finetuner.train(options, archive, job.id, { onProgress, signal });
      await told;
      const { model, version, promoted, summary } = published;
      await this.#queue.report(claim, { type: 'succeeded', result: { model, version, promoted, summary } });
      this.#logger.info({ job: job.id, model, version, promoted }, 'fine-tuned');
    } catch (thrown) {
      await told;
      // The queue takes the job back when it is closed, so that it goes on after a restart.
      if (this.#stop.signal.aborted) return;
      if (claim.signal.aborted) {
        if (claim.signal.reason instanceof JobCancelledError) await this.#queue.report(claim, { type: 'cancelled' });
        return;
      }
      const error = thrown instanceof AppError ? thrown : asStorageError(thrown);
      const code: ErrorCode = error?.code ?? 'internal';
      this.#logger.warn({ job: job.id, code, reason: messageOf(thrown) }, 'a fine-tune failed');
      await this.#queue.report(claim, { type: 'failed', failure: { code, message: messageOf(error ?? thrown) } });
    } finally {
      clearInterval(heartbeat);
    }
  }
}
