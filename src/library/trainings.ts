import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../common/logger.ts';
import type { Config } from '../config.ts';
import type { ModelTrainer, PublishedVersion } from '../finetuning/model-trainer.ts';
import { parseTrainingReport } from '../finetuning/report/report-schema.ts';
import type { TrainingProgress } from '../finetuning/training-progress.ts';
import { createModelTrainer, type Services } from '../services.ts';
import { withCodes } from './errors.ts';
import { type FinetuneJob, type FinetuneOptions, type FinetuneResult, RunningFinetune } from './finetune-job.ts';

/** How a training is followed and ended. */
interface Control {
  readonly onProgress: (progress: TrainingProgress) => void;
  readonly signal: AbortSignal;
}

/** The trainings of an opened zoo. */
export class Trainings {
  /** Says before a training whether its options fit the models that are here. */
  readonly checks: ModelTrainer;
  readonly #services: Services;
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #running = new Set<RunningFinetune>();

  constructor(services: Services, config: Config, logger: Logger) {
    this.#services = services;
    this.#config = config;
    this.#logger = logger;
    this.checks = createModelTrainer(services, config, logger, tmpdir());
  }

  /** Starts a training that can be followed and cancelled, also by `close`. */
  start(
    { onProgress, signal }: { onProgress: FinetuneOptions['onProgress']; signal: AbortSignal | undefined },
    train: (trainer: ModelTrainer, control: Control) => Promise<PublishedVersion>,
  ): FinetuneJob {
    const job = new RunningFinetune({ ...(onProgress && { onProgress }), ...(signal && { signal }) }, (control) =>
      withCodes(control.signal, async () =>
        this.#resultOf(await this.withTrainer((trainer) => train(trainer, control))),
      ),
    );
    this.#running.add(job);
    void job.result.catch(() => undefined).then(() => this.#running.delete(job));
    return job;
  }

  /** Gives work a folder of its own: that of a server may belong to another process. */
  async withTrainer<T>(work: (trainer: ModelTrainer) => Promise<T>): Promise<T> {
    const workDir = await mkdtemp(join(tmpdir(), 'menagerie-finetune-'));
    try {
      return await work(createModelTrainer(this.#services, this.#config, this.#logger, workDir));
    } finally {
      await rm(workDir, { recursive: true, force: true });
    }
  }

  /** Cancels what runs, and waits until nothing is left of it. */
  async close(): Promise<void> {
    await Promise.all([...this.#running].map((job) => job.cancel()));
  }

  async #resultOf(published: PublishedVersion): Promise<FinetuneResult> {
    const { model, version, promoted, accuracy, currentAccuracy } = published;
    const report = parseTrainingReport(await this.#services.catalogue.report(`${model}@${version}`, 'json'));
    return {
      model,
      version,
      promoted,
      ...(accuracy !== undefined && { accuracy }),
      ...(currentAccuracy !== undefined && { previousAccuracy: currentAccuracy }),
      verdict: report.verdict,
      nextSteps: report.next_steps,
    };
  }
}
