import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { AppError, messageOf } from '../common/errors.ts';
import type { JsonObject, JsonValue } from '../common/json.ts';
import type { Logger } from '../common/logger.ts';
import { Mutex } from '../common/mutex.ts';
import { asStorageError, messageWithoutPath } from '../common/storage-error.ts';
import {
  type Claim,
  ClaimLostError,
  type Job,
  JobCancelledError,
  type JobProgress,
  type JobQueue,
  type JobReport,
} from '../jobs/job-queue.ts';
import { type JobObserver, type JobOutcome, observeTogether } from '../metrics/job-observer.ts';
import { requireTensorFlow } from '../runtime/tensorflow-packages.ts';
import type { PreflightReport } from './dataset/preflight-report.ts';
import { checkDataset } from './dataset-check.ts';
import { type FinetuneOptions, type FinetuneRequest, parseFinetuneOptions } from './finetune-options.ts';
import { fingerprintOf, type Idempotency, idempotencyOf, optionsIn, payloadWith } from './idempotency.ts';
import type { ModelTrainer } from './model-trainer.ts';
import type { OnProgress } from './training-progress.ts';

/** Data sets that are inspected at once, each in a process of its own, beside the job that runs. */
const MAX_INSPECTIONS = 2;
/** Well within the lease of a claim. */
const HEARTBEAT_MS = 10_000;
/** Milliseconds after a failure of the queue itself, for example on a full disk, before the next job is claimed. */
const RETRY_MS = 5_000;
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

/** Called with every step of a job. */
type OnJobProgress = (progress: JobProgress) => void;

/** Takes labelled archives and works on them one after the other, as jobs that outlive this process. */
export class FinetuneJobs {
  readonly #trainer: Pick<ModelTrainer, 'pinBackbone' | 'inspect' | 'train'>;
  readonly #queue: JobQueue;
  readonly #logger: Logger;
  readonly #observer: JobObserver;
  readonly #others: Readonly<Record<string, OtherWork>>;
  /** Takes no new job. */
  readonly #drain = new AbortController();
  /** Ends the training that runs. */
  readonly #stop = new AbortController();
  /** One request with a key after the other: the second of two that are alike finds the job of the first. */
  readonly #keyed = new Mutex();
  #inspections = 0;
  #working: Promise<void> | undefined;
  /** Why the last training process did not end its job; undefined when it did. */
  #lostTraining: string | undefined;
  /** Why the queue cannot be read or written; undefined when it can. */
  #queueFault: string | undefined;

  constructor(
    trainer: Pick<ModelTrainer, 'pinBackbone' | 'inspect' | 'train'>,
    queue: JobQueue,
    logger: Logger,
    observer: JobObserver = observeTogether([]),
    others: Readonly<Record<string, OtherWork>> = {},
  ) {
    this.#trainer = trainer;
    this.#queue = queue;
    this.#logger = logger;
    this.#observer = observer;
    this.#others = others;
  }

  /** The jobs that were submitted. */
  get jobs(): Pick<JobQueue, 'get' | 'list' | 'cancel' | 'events'> {
    return this.#queue;
  }

  /** What is wrong with fine-tuning, for health checks. */
  get warnings(): string[] {
    return [
      ...(this.#lostTraining === undefined ? [] : [`The last fine-tune was interrupted: ${this.#lostTraining}.`]),
      ...(this.#queueFault === undefined ? [] : [`The job queue does not work: ${this.#queueFault}`]),
    ];
  }

  /** Begins to work on jobs, also on those that an earlier process left. */
  start(): void {
    this.#working = this.#work();
  }

  /** Begins to look whether the queue can be read, for `warnings`. Others work on its jobs. */
  watch(): void {
    this.#working = this.#watch();
  }

  /**
   * Takes no new job, and ends the training that runs. Its job stays in the queue and continues from its features after
   * a restart.
   * @param graceMs milliseconds in which the training may end by itself
   */
  async close(graceMs = 0): Promise<void> {
    this.#drain.abort();
    const stop = () => this.#stop.abort(new AppError('shutting_down', 'the server is stopping'));
    const impatience = graceMs > 0 ? setTimeout(stop, graceMs) : stop();
    await this.#working;
    clearTimeout(impatience ?? undefined);
    stop();
    await this.#queue.close();
  }

  /**
   * Queues a fine-tune and moves its archive into the queue. Names and labels are checked now, images when the job
   * runs.
   * @param key a name that the client gave the request: the same request with the same key gets the same job, as long
   * as that is kept
   * @throws AppError for an archive that cannot be read, is too small or has no labels; `model_not_found`,
   * `tensorflow_missing`, `job_queue_full`; `idempotency_key_reused` when the key came with another request
   */
  submit(request: FinetuneRequest, archivePath: string, key?: string): Promise<Job> {
    if (key === undefined) return this.#enqueue(request, archivePath);
    return this.#keyed.run(async () => {
      const fingerprint = await fingerprintOf(request, archivePath);
      const earlier = (await this.#queue.list()).find((job) => idempotencyOf(job)?.key === key);
      if (earlier === undefined) return this.#enqueue(request, archivePath, { key, fingerprint });
      if (idempotencyOf(earlier)?.fingerprint === fingerprint) return earlier;
      throw new AppError(
        'idempotency_key_reused',
        `Job ${earlier.id} was made by a request with the same Idempotency-Key and other options or another zip. Send ` +
          'a new key with a new request.',
        { context: { job: earlier.id } },
      );
    });
  }

  async #enqueue(request: FinetuneRequest, archivePath: string, idempotency?: Idempotency): Promise<Job> {
    requireTensorFlow();
    const pinned = this.#trainer.pinBackbone(request);
    await checkDataset(archivePath, request.encoding);
    const payload = idempotency === undefined ? pinned : payloadWith(pinned, idempotency);
    return this.#queue.enqueue({ payload, archivePath });
  }

  /** Queues a job whose `kind` names its work, and moves its archive into the queue. @throws AppError `job_queue_full` */
  submitOther(payload: { readonly kind: string } & JsonObject, archivePath: string): Promise<Job> {
    return this.#queue.enqueue({ payload, archivePath });
  }

  /** Inspects a data set without training. @throws AppError when it cannot be trained on; `queue_full` */
  async inspect(options: FinetuneOptions, datasetPath: string, signal: AbortSignal): Promise<PreflightReport> {
    if (this.#inspections >= MAX_INSPECTIONS) {
      throw new AppError('queue_full', `${MAX_INSPECTIONS} data sets are being inspected: try again shortly`, {
        retryAfter: 5,
        context: { limit: MAX_INSPECTIONS },
      });
    }
    this.#inspections += 1;
    try {
      return await this.#trainer.inspect(options, datasetPath, {
        onProgress: () => {},
        signal: AbortSignal.any([signal, this.#stop.signal]),
      });
    } finally {
      this.#inspections -= 1;
    }
  }

  async #work(): Promise<void> {
    const { signal } = this.#drain;
    while (!signal.aborted) {
      try {
        const claim = await this.#claim(signal);
        // One that comes while the queue closes is given back.
        if (claim !== undefined && !signal.aborted) await this.#workOn(claim);
        this.#queueFault = undefined;
      } catch (thrown) {
        if (thrown instanceof ClaimLostError) {
          this.#logger.warn({ reason: messageOf(thrown) }, 'a job was taken away');
          continue;
        }
        // A claim that could not be ended runs out by itself, and its job is queued again.
        this.#noteFault(thrown);
        await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #watch(): Promise<void> {
    const { signal } = this.#drain;
    while (!signal.aborted) {
      try {
        await this.#queue.list();
        this.#queueFault = undefined;
      } catch (thrown) {
        this.#noteFault(thrown);
      }
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #noteFault(thrown: unknown): void {
    const fault = messageWithoutPath(asStorageError(thrown) ?? thrown);
    if (fault !== this.#queueFault) this.#logger.error({ reason: messageOf(thrown) }, 'the job queue failed');
    this.#queueFault = fault;
  }

  async #claim(signal: AbortSignal): Promise<Claim | undefined> {
    const recovered = setTimeout(() => {
      this.#queueFault = undefined;
    }, RECOVERED_MS).unref();
    try {
      return await this.#queue.claim(signal);
    } finally {
      clearTimeout(recovered);
    }
  }

  async #workOn(claim: Claim): Promise<void> {
    // Reports are made in order. A claim that was lost meanwhile shows when the job ends.
    let reported: Promise<void> = Promise.resolve();
    const report = (next: JobReport): void => {
      reported = reported.then(() => this.#queue.report(claim, next)).catch(() => undefined);
    };
    const heartbeat = setInterval(() => report({ type: 'heartbeat' }), HEARTBEAT_MS);
    const observed = this.#observer.startJob(claim.job.id);
    try {
      const onProgress = (progress: JobProgress, kept?: number): void => {
        observed.phase(progress.phase);
        report({ type: 'progress', progress, ...(kept !== undefined && { kept }) });
      };
      const other = this.#others[kindOf(claim.job)];
      const end =
        other === undefined
          ? await this.#train(claim, ({ kept, ...progress }) => onProgress(progress, kept))
          : await this.#workOnOther(other, claim, (progress) => onProgress(progress));
      observed.end(outcomeOf(end));
      await reported;
      this.#lostTraining = end?.type === 'abandoned' ? end.reason : undefined;
      if (end !== undefined) await this.#queue.report(claim, end);
    } finally {
      clearInterval(heartbeat);
    }
  }

  #train(claim: Claim, onProgress: OnProgress): Promise<JobReport | undefined> {
    const { job } = claim;
    this.#logger.info({ job: job.id }, 'fine-tuning');
    return this.#attempt(claim, async (archive, signal) => {
      const options = parseFinetuneOptions(optionsIn(job.payload));
      const { model, version, promoted, summary } = await this.#trainer.train(options, archive, job.id, {
        onProgress,
        signal,
      });
      this.#logger.info({ job: job.id, model, version, promoted }, 'fine-tuned');
      return { model, version, promoted, summary };
    });
  }

  #workOnOther(work: OtherWork, claim: Claim, onProgress: OnJobProgress): Promise<JobReport | undefined> {
    return this.#attempt(claim, (archive, signal) => work(claim.job.payload, archive, { onProgress, signal }));
  }

  /** @returns how the job ended; undefined when the claim is lost or the server stops */
  async #attempt(
    { job, signal, archivePath }: Claim,
    work: (archive: string, signal: AbortSignal) => Promise<JsonValue>,
  ): Promise<JobReport | undefined> {
    try {
      const archive = await archivePath().catch((thrown: unknown) => this.#withoutArchive(thrown, signal));
      if (archive === undefined) throw new AppError('internal', 'the archive of the job is gone');
      return { type: 'succeeded', result: await work(archive, AbortSignal.any([signal, this.#stop.signal])) };
    } catch (thrown) {
      // The queue takes the job back when it is closed, so that it continues after a restart.
      if (this.#stop.signal.aborted) return undefined;
      if (signal.aborted) return signal.reason instanceof JobCancelledError ? { type: 'cancelled' } : undefined;
      return this.#failure(job, thrown);
    }
  }

  /** An archive that cannot be fetched now may be a moment later, or by another worker. */
  async #withoutArchive(thrown: unknown, signal: AbortSignal): Promise<never> {
    if (!(thrown instanceof AppError) || thrown.code !== 'storage_unavailable') throw thrown;
    this.#logger.warn({ reason: messageOf(thrown.cause ?? thrown) }, 'the archive of a job could not be fetched');
    await delay(RETRY_MS, undefined, { signal: AbortSignal.any([signal, this.#stop.signal]) });
    throw new AppError('training_lost', thrown.message, { cause: thrown });
  }

  #failure({ id }: Job, thrown: unknown): JobReport {
    const reason = messageOf(thrown);
    if (thrown instanceof AppError && thrown.code === 'training_lost') return { type: 'abandoned', reason };
    const error = asStorageError(thrown) ?? (thrown instanceof AppError ? thrown : new AppError('internal', reason));
    this.#logger.warn({ job: id, code: error.code, reason, err: thrown }, 'a job failed');
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
