import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { ArtifactStore } from '../registry/artifact-store.ts';
import { type ModelVersion, type Registry, SERVING_ALIAS } from '../registry/registry.ts';
import type { Repository } from '../registry/repository.ts';
import type { ConversionCache } from '../serving/conversion.ts';
import type { Preflight } from './dataset/preflight.ts';
import type { TrainingModel } from './features/feature-network.ts';
import type { FinetuneOptions } from './finetune-options.ts';
import { runInspection, runTraining, type TrainingControl } from './training-process.ts';
import type { PreflightTask, TrainingResult } from './training-task.ts';

/** What fine-tuning stands on; `services.ts` puts it together. */
export interface FinetunerParts {
  readonly registry: Registry;
  readonly repository: Repository;
  readonly store: ArtifactStore;
  readonly conversions: ConversionCache;
  readonly logger: Logger;
  /** Backbone of a request that names none. */
  readonly defaultBackbone: string;
  /** Where features are kept between trainings. */
  readonly featureDir: string;
  /** What is kept there after a training, in bytes. */
  readonly maxFeatureBytes: number;
  /** Where the files of a version lie until they are published. */
  readonly workDir: string;
  readonly maxImagePixels: number;
}

/** A version that can be asked for. */
export interface PublishedVersion extends TrainingResult {
  readonly model: string;
  readonly version: number;
  /** Whether the model's bare name now stands for it. */
  readonly promoted: boolean;
}

/** Trains a new version of a model and publishes it. Training itself runs in a process of its own. */
export class Finetuner {
  readonly #parts: FinetunerParts;

  constructor(parts: FinetunerParts) {
    this.#parts = parts;
  }

  /** @throws AppError `model_not_found` when there is no such backbone; `invalid_request` when the name is another model's */
  checkBackbone(options: FinetuneOptions): void {
    this.#backbone(options);
    this.#current(options.name);
  }

  /** Looks at a data set and trains nothing. @throws AppError when it cannot be trained on */
  async inspect(
    options: FinetuneOptions,
    datasetPath: string,
    control: Omit<TrainingControl, 'logger'>,
  ): Promise<Preflight['report']> {
    return this.#withWorkDir(async (workDir) => {
      const task = await this.#preflightTask(options, datasetPath, workDir);
      return runInspection(task, { ...control, logger: this.#parts.logger });
    });
  }

  /**
   * Trains on a zip or folder and publishes what comes out.
   * @param key the same key never makes a second version
   */
  async train(
    options: FinetuneOptions,
    datasetPath: string,
    key: string,
    control: Omit<TrainingControl, 'logger'>,
  ): Promise<PublishedVersion> {
    const { store, logger } = this.#parts;
    return this.#withWorkDir(async (workDir) => {
      const outDir = join(workDir, 'version');
      await mkdir(outDir);
      const current = this.#current(options.name);
      const task = {
        ...(await this.#preflightTask(options, datasetPath, workDir)),
        current: current && (await this.#trainingModel(current)),
        version: await store.reserveVersion(options.name, key),
        outDir,
      };
      const result = await runTraining(task, { ...control, logger });
      const version = await store.putVersion(options.name, outDir, key);
      const promoted = shallPromote(options, result, current !== undefined);
      if (promoted) await store.setAlias(options.name, SERVING_ALIAS, version);
      await this.refresh(options.name);
      return { model: options.name, version, promoted, ...result };
    });
  }

  /** Gives a task a folder of its own while it runs. */
  async #withWorkDir<T>(work: (workDir: string) => Promise<T>): Promise<T> {
    const workDir = await mkdtemp(join(this.#parts.workDir, 'task-'));
    try {
      return await work(workDir);
    } finally {
      await rm(workDir, { recursive: true, force: true });
    }
  }

  /** Reads a model of the store again, after its versions or aliases changed. */
  refresh(name: string): Promise<void> {
    const { registry, repository } = this.#parts;
    return registry.changes.run(async () => {
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

  #backbone({ backbone }: FinetuneOptions): ModelVersion {
    return this.#parts.registry.resolve(backbone ?? this.#parts.defaultBackbone);
  }

  /** The version that serves under a name, if there is one. @throws AppError `invalid_request` when it was imported */
  #current(name: string): ModelVersion | undefined {
    const current = this.#parts.registry.find(name) && this.#parts.registry.resolve(name);
    if (current?.manifest.file.provenance?.['imported_from'] === undefined) return current;
    throw new AppError('invalid_request', `name: "${name}" is a model that was imported; take another name`);
  }

  async #preflightTask(options: FinetuneOptions, datasetPath: string, workDir: string): Promise<PreflightTask> {
    const { featureDir, maxFeatureBytes, maxImagePixels } = this.#parts;
    const backbone = await this.#trainingModel(this.#backbone(options));
    return { options, datasetPath, backbone, featureDir, maxFeatureBytes, maxImagePixels, workDir };
  }

  async #trainingModel(model: ModelVersion): Promise<TrainingModel> {
    const { key, onnx, maxBatch } = await this.#parts.conversions.verified(model);
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
      maxBatch,
    };
  }
}

/** Without anything to compare with, `if_better` promotes: something must serve. */
function shallPromote({ promote }: FinetuneOptions, result: TrainingResult, hasCurrent: boolean): boolean {
  if (promote !== 'if_better') return promote === 'always' || !hasCurrent;
  const { accuracy, currentAccuracy } = result;
  return accuracy === undefined || currentAccuracy === undefined || accuracy > currentAccuracy;
}
