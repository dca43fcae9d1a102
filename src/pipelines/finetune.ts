import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, type ErrorCode, messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { Mutex } from '../mutex.ts';
import type { ArtifactStore } from '../registry/artifact-store.ts';
import { type ModelVersion, type Registry, SERVING_ALIAS } from '../registry/registry.ts';
import type { Repository } from '../registry/repository.ts';
import { readDataset } from '../training/dataset.ts';
import { type Claim, ClaimLostError, type Job, JobCancelledError, type JobQueue } from '../training/jobs/job-queue.ts';
import { openImageSource } from '../training/open-image-source.ts';
import type { Preflight } from '../training/preflight.ts';
import { MIN_CLASSES, MIN_IMAGES_PER_CLASS } from '../training/preflight-report.ts';
import type { ConversionCache } from './conversion.ts';
import { type FinetuneOptions, type FinetuneRequest, parseFinetuneOptions } from './finetune-options.ts';
import { runInspection, runTraining, type TrainingControl } from './training-process.ts';
import type { PreflightTask, TrainingModel, TrainingProgress, TrainingResult } from './training-task.ts';

/** What fine-tuning stands on; `server.ts` puts it together. */
export interface FinetuningParts {
  readonly registry: Registry;
  readonly repository: Repository;
  readonly store: ArtifactStore;
  readonly queue: JobQueue;
  readonly conversions: ConversionCache;
  readonly logger: Logger;
  /** Backbone of a request that names none. */
  readonly defaultBackbone: string;
  /** Where features are kept between jobs. */
  readonly featureDir: string;
  /** Where a job's files lie until they are published. */
  readonly workDir: string;
  readonly maxImagePixels: number;
}

/** Progress is written to the job's log at most this often within a phase, in milliseconds. */
const PROGRESS_INTERVAL_MS = 200;
/** Data sets that are looked at side by side, each in a process of its own, while jobs run beside them. */
const MAX_INSPECTIONS = 2;
/** Well within the lease of a claim. */
const HEARTBEAT_MS = 10_000;

/** Takes labelled archives, works on them one after the other, and publishes what comes out. */
export class Finetuning {
  readonly #parts: FinetuningParts;
  readonly #stop = new AbortController();
  #inspections = 0;
  readonly #refreshing = new Mutex();
  #working: Promise<void> | undefined;

  constructor(parts: FinetuningParts) {
    this.#parts = parts;
  }

  /** What was submitted. */
  get jobs(): Pick<JobQueue, 'get' | 'list' | 'cancel' | 'events'> {
    return this.#parts.queue;
  }

  /** Begins to work on jobs: those that are queued already, and those that a dead server left. */
  start(): void {
    this.#working = this.#work();
  }

  /** Ends the training that runs; its job stays in the queue and goes on, from its features, when the server is back. */
  async close(): Promise<void> {
    this.#stop.abort(new AppError('shutting_down', 'the server is stopping'));
    await this.#working;
    await this.#parts.queue.close();
  }

  /**
   * Queues a fine-tune; the archive is moved away. Names and counts are looked at now, pictures when the job runs.
   * @throws AppError for an archive that cannot be read, is too small or has no labels; `model_not_found`; `job_queue_full`
   */
  async submit(request: FinetuneRequest, archivePath: string): Promise<Job> {
    this.#backbone(parseFinetuneOptions(request));
    await refuseHopeless(archivePath);
    return this.#parts.queue.enqueue({ payload: request, archivePath });
  }

  /** Looks at a data set and trains nothing. @throws AppError when it cannot be trained on; `queue_full` */
  async inspect(options: FinetuneOptions, datasetPath: string, signal: AbortSignal): Promise<Preflight['report']> {
    const task = await this.#preflightTask(options, datasetPath);
    if (this.#inspections >= MAX_INSPECTIONS) {
      throw new AppError('queue_full', `${MAX_INSPECTIONS} data sets are being looked at: try again shortly`, {
        retryAfter: 5,
        context: { limit: MAX_INSPECTIONS },
      });
    }
    this.#inspections += 1;
    try {
      return await runInspection(task, {
        logger: this.#parts.logger,
        onProgress: () => {},
        signal: AbortSignal.any([signal, this.#stop.signal]),
      });
    } finally {
      this.#inspections -= 1;
    }
  }

  /**
   * Trains and publishes at once, without the queue: what the command line does.
   * @param key the same key never makes a second version
   */
  async run(
    options: FinetuneOptions,
    datasetPath: string,
    key: string,
    control: Omit<TrainingControl, 'logger'>,
  ): Promise<PublishedVersion> {
    const { store, workDir, logger } = this.#parts;
    const outDir = await mkdtemp(join(workDir, 'version-'));
    try {
      const current = this.#current(options.name);
      const task = {
        ...(await this.#preflightTask(options, datasetPath)),
        current: current && (await this.#trainingModel(current)),
        version:
          1 + Math.max(0, ...(this.#parts.registry.find(options.name)?.versions ?? []).map(({ version }) => version)),
        outDir,
      };
      const result = await runTraining(task, { ...control, logger });
      const version = await store.putVersion(options.name, outDir, key);
      const promoted = shallPromote(options, result, current !== undefined);
      if (promoted) await store.setAlias(options.name, SERVING_ALIAS, version);
      await this.refresh(options.name);
      return { model: options.name, version, promoted, ...result };
    } finally {
      await rm(outDir, { recursive: true, force: true });
    }
  }

  /** Reads a model of the store again, after its versions or aliases changed. */
  refresh(name: string): Promise<void> {
    const { registry, repository } = this.#parts;
    // One after the other: the last to read is the last to write.
    return this.#refreshing.run(async () => {
      const [model] = await repository.readStored(name).then(
        ({ models }) => models,
        (thrown: unknown) => {
          if (thrown instanceof AppError && thrown.code === 'model_not_found') return [];
          throw thrown;
        },
      );
      if (model === undefined) registry.delete(name);
      else registry.set(model);
    });
  }

  async #work(): Promise<void> {
    const { queue, logger } = this.#parts;
    for (;;) {
      const claim = await queue.claim(this.#stop.signal);
      if (claim === undefined) return;
      try {
        await this.#workOn(claim);
      } catch (thrown) {
        if (!(thrown instanceof ClaimLostError)) throw thrown;
        logger.warn({ job: claim.job.id, reason: thrown.message }, 'a job was taken away');
      }
    }
  }

  async #workOn(claim: Claim): Promise<void> {
    const { queue, logger } = this.#parts;
    const { job } = claim;
    const progress = new ThrottledProgress((latest) =>
      queue.report(claim, { type: 'progress', progress: { ...latest } }),
    );
    const heartbeat = setInterval(() => {
      queue.report(claim, { type: 'heartbeat' }).catch(() => undefined);
    }, HEARTBEAT_MS);
    logger.info({ job: job.id }, 'fine-tuning');
    try {
      const options = parseFinetuneOptions(job.payload);
      const archive = await claim.archivePath();
      if (archive === undefined) throw new AppError('internal', 'the archive of the job is gone');
      const signal = AbortSignal.any([claim.signal, this.#stop.signal]);
      const onProgress = (latest: TrainingProgress) => progress.push(latest);
      const published = await this.run(options, archive, job.id, { onProgress, signal });
      await progress.settled();
      const { model, version, promoted, summary } = published;
      await queue.report(claim, { type: 'succeeded', result: { model, version, promoted, summary } });
      logger.info({ job: job.id, model, version, promoted }, 'fine-tuned');
    } catch (thrown) {
      await progress.settled();
      // The queue takes the job back when it is closed, so that it goes on after a restart.
      if (this.#stop.signal.aborted) return;
      if (claim.signal.aborted) {
        if (claim.signal.reason instanceof JobCancelledError) await queue.report(claim, { type: 'cancelled' });
        return;
      }
      const code: ErrorCode = thrown instanceof AppError ? thrown.code : 'internal';
      logger.warn({ job: job.id, code, reason: messageOf(thrown) }, 'a fine-tune failed');
      await queue.report(claim, { type: 'failed', failure: { code, message: messageOf(thrown) } });
    } finally {
      clearInterval(heartbeat);
    }
  }

  #backbone({ backbone }: FinetuneOptions): ModelVersion {
    return this.#parts.registry.resolve(backbone ?? this.#parts.defaultBackbone);
  }

  /** The version that serves under a name, if there is one. */
  #current(name: string): ModelVersion | undefined {
    return this.#parts.registry.find(name) && this.#parts.registry.resolve(name);
  }

  async #preflightTask(options: FinetuneOptions, datasetPath: string): Promise<PreflightTask> {
    const { featureDir, maxImagePixels } = this.#parts;
    const backbone = await this.#trainingModel(this.#backbone(options));
    return { options, datasetPath, backbone, featureDir, maxImagePixels };
  }

  async #trainingModel(model: ModelVersion): Promise<TrainingModel> {
    const { key, onnx } = await this.#parts.conversions.get(model);
    const { name, version, manifest, weightsPath } = model;
    return {
      name,
      version,
      manifest: manifest.file,
      preprocessing: manifest.preprocessing,
      labels: manifest.labels.map(({ label }) => label),
      weightsPath,
      key,
      onnxPath: onnx.path,
    };
  }
}

/** A version that can be asked for. */
export interface PublishedVersion extends TrainingResult {
  readonly model: string;
  readonly version: number;
  /** Whether the model's bare name now stands for it. */
  readonly promoted: boolean;
}

/** Without anything to compare with, `if_better` promotes: something must serve. */
function shallPromote({ promote }: FinetuneOptions, result: TrainingResult, hasCurrent: boolean): boolean {
  if (promote !== 'if_better') return promote === 'always' || !hasCurrent;
  const { accuracy, currentAccuracy } = result;
  return accuracy === undefined || currentAccuracy === undefined || accuracy > currentAccuracy;
}

/** @throws AppError when the names alone show that a data set cannot be trained on */
async function refuseHopeless(archivePath: string): Promise<void> {
  const source = await openImageSource(archivePath);
  try {
    const { classes, files } = await readDataset(source);
    const small = classes.filter((name) => files.filter(({ label }) => label === name).length < MIN_IMAGES_PER_CLASS);
    if (classes.length >= MIN_CLASSES && small.length === 0) return;
    throw new AppError(
      'dataset_too_small',
      `${classes.length} class(es) were found (${classes.slice(0, 10).join(', ')})` +
        `${small.length > 0 ? `, too few images in ${small.slice(0, 10).join(', ')}` : ''}: ` +
        `send at least ${MIN_CLASSES} classes of ${MIN_IMAGES_PER_CLASS} images each`,
      { context: { classes: classes.length, min_classes: MIN_CLASSES, min_images_per_class: MIN_IMAGES_PER_CLASS } },
    );
  } finally {
    await source.close();
  }
}

/** Passes progress on at a bearable rate: the first and last of each phase, and something in between. */
class ThrottledProgress {
  readonly #send: (progress: TrainingProgress) => Promise<void>;
  #phase = '';
  #sentAt = Number.NEGATIVE_INFINITY;
  #sending: Promise<void> = Promise.resolve();

  constructor(send: (progress: TrainingProgress) => Promise<void>) {
    this.#send = send;
  }

  push(progress: TrainingProgress): void {
    const now = performance.now();
    // Epochs are few and each is a point of the curve.
    const always = progress.phase === 'training' || progress.phase !== this.#phase || progress.done === progress.total;
    if (!always && now - this.#sentAt < PROGRESS_INTERVAL_MS) return;
    this.#phase = progress.phase;
    this.#sentAt = now;
    // A claim that was lost meanwhile shows when the job ends.
    this.#sending = this.#sending.then(() => this.#send(progress)).catch(() => undefined);
  }

  settled(): Promise<void> {
    return this.#sending;
  }
}
