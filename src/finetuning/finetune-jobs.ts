import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { AppError } from '../common/errors.ts';
import type { JsonObject } from '../common/json.ts';
import type { Logger } from '../common/logger.ts';
import type { Job, JobQueue, JobRequest } from '../jobs/job-queue.ts';
import { type JobObserver, observeTogether } from '../metrics/job-observer.ts';
import { requireTensorFlow } from '../runtime/tensorflow-packages.ts';
import type { PreflightReport } from './dataset/preflight-report.ts';
import { checkDataset } from './dataset-check.ts';
import type { FinetuneOptions, FinetuneRequest } from './finetune-options.ts';
import { JobWorker, type OtherWork } from './job-worker.ts';
import type { ModelTrainer } from './model-trainer.ts';
import { QUEUE_RETRY_MS, QueueHealth } from './queue-health.ts';
import { fingerprintOf } from './request-fingerprint.ts';

/** Data sets that are inspected at once, each in a process of its own, beside the job that runs. */
const MAX_INSPECTIONS = 2;

/** How a fine-tune is asked for. */
interface Submission extends Pick<JobRequest, 'owner' | 'priority'> {
  readonly key?: string;
}

/** Takes labelled archives and has them worked on, as jobs that outlive this process. */
export class FinetuneJobs {
  readonly #trainer: Pick<ModelTrainer, 'pinBackbone' | 'inspect'>;
  readonly #queue: JobQueue;
  readonly #health: QueueHealth;
  readonly #worker: JobWorker;
  /** Takes no new job. */
  readonly #drain = new AbortController();
  /** Ends the trainings that run. */
  readonly #stop = new AbortController();
  #inspections = 0;
  #working: Promise<unknown> | undefined;

  constructor(
    trainer: Pick<ModelTrainer, 'pinBackbone' | 'inspect' | 'train'>,
    queue: JobQueue,
    logger: Logger,
    observer: JobObserver = observeTogether([]),
    others: Readonly<Record<string, OtherWork>> = {},
  ) {
    this.#trainer = trainer;
    this.#queue = queue;
    this.#health = new QueueHealth(logger);
    this.#worker = new JobWorker({ trainer, queue, health: this.#health, logger, observer, others });
  }

  /** The queue of the jobs that were submitted. */
  get jobs(): Pick<JobQueue, 'get' | 'list' | 'cancel' | 'events' | 'dependencies'> {
    return this.#queue;
  }

  /** What is wrong with fine-tuning, for health checks. */
  get warnings(): string[] {
    const interrupted = [...this.#worker.interrupted];
    const { fault } = this.#health;
    return [
      ...interrupted.map(([id, reason]) => `Job ${id} was interrupted: ${reason}.`),
      ...(fault === undefined ? [] : [`The job queue does not work: ${fault}`]),
      ...this.#queue.warnings,
    ];
  }

  /** Begins to work on jobs, also on those that an earlier process left. @param concurrency jobs at once */
  start(concurrency = 1): void {
    const works = Array.from({ length: concurrency }, () => this.#worker.work(this.#drain.signal, this.#stop.signal));
    this.#working = Promise.all(works);
  }

  /** Begins to look whether the queue can be read, for `warnings`. Others work on its jobs. */
  watch(): void {
    this.#working = this.#watch();
  }

  /**
   * Takes no new job, and ends the trainings that run. Their jobs stay in the queue and continue from their features after
   * a restart.
   * @param graceMs milliseconds in which the trainings may end by themselves
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
  async submit(request: FinetuneRequest, archivePath: string, { key, ...asking }: Submission = {}): Promise<Job> {
    const { priority } = asking;
    const asked = { ...request, ...(priority && { priority }) };
    const idempotency = key === undefined ? undefined : { key, fingerprint: await fingerprintOf(asked, archivePath) };
    const jobs = idempotency === undefined ? [] : await this.#queue.list();
    const earlier = jobs.find(
      (job) => job.owner === (asking.owner ?? null) && isDeepStrictEqual(job.idempotency, idempotency),
    );
    // It is not checked again: a backbone may be gone by now. The queue is asked nevertheless, which may just be taking the
    // job back that it lists, and is to keep what it has answered.
    const payload = earlier?.payload ?? (await this.#check(request, archivePath));
    return this.#queue.enqueue({ payload, archivePath, ...asking, ...(idempotency && { idempotency }) });
  }

  /** @returns the payload of the job */
  async #check(request: FinetuneRequest, archivePath: string): Promise<JsonObject> {
    requireTensorFlow();
    const payload = this.#trainer.pinBackbone(request);
    await checkDataset(archivePath, request.encoding);
    return payload;
  }

  /** Queues a job whose `kind` names its work, and moves its archive into the queue. @throws AppError `job_queue_full` */
  submitOther(
    payload: { readonly kind: string } & JsonObject,
    archivePath: string,
    asking: Pick<JobRequest, 'owner'> = {},
  ): Promise<Job> {
    return this.#queue.enqueue({ payload, archivePath, ...asking });
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

  async #watch(): Promise<void> {
    const { signal } = this.#drain;
    while (!signal.aborted) {
      try {
        await this.#queue.list();
        this.#health.noteSuccess();
      } catch (thrown) {
        this.#health.noteFailure(thrown);
      }
      await delay(QUEUE_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
