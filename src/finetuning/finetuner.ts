import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../common/durable-files.ts';
import { AppError } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { ArtifactStore } from '../registry/artifact-store.ts';
import { type ModelVersion, type Registry, SERVING_ALIAS } from '../registry/registry.ts';
import type { Repository } from '../registry/repository.ts';
import type { ConversionCache } from '../serving/conversion.ts';
import type { Preflight } from './dataset/preflight.ts';
import type { TrainingModel } from './features/feature-network.ts';
import { type FinetuneOptions, type FinetuneRequest, parseFinetuneOptions } from './finetune-options.ts';
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

  /**
   * Checks the names in a request, and replaces a backbone that is named by an alias by its version, since the alias may
   * point to another one when the job runs.
   * @throws AppError as `Registry.resolve` for the backbone; `invalid_request` when the name is another model's
   */
  pinBackbone(request: FinetuneRequest): FinetuneRequest {
    const options = parseFinetuneOptions(request);
    const { name, version } = this.#backbone(options);
    this.#current(options.name);
    const isPinned = options.backbone === undefined || this.#parts.registry.find(name)?.origin === 'zoo';
    return isPinned ? request : { ...request, backbone: `${name}@${version}` };
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
      const isNew = this.#parts.registry.find(options.name) === undefined;
      const promoted = shallPromote(options, result, isNew);
      if (promoted) await store.setAlias(options.name, SERVING_ALIAS, version);
      await this.refresh(options.name);
      return { model: options.name, version, promoted, ...result };
    });
  }

  /** Gives a task a folder of its own while it runs. */
  async #withWorkDir<T>(work: (workDir: string) => Promise<T>): Promise<T> {
    await makeFolder(this.#parts.workDir);
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

  /**
   * The version that a model's bare name stands for; undefined when there is no such model or the version is damaged.
   * @throws AppError `invalid_request` when the name belongs to an imported model
   */
  #current(name: string): ModelVersion | undefined {
    const { registry } = this.#parts;
    const model = registry.find(name);
    if (model?.origin === 'zoo') {
      throw new AppError('invalid_request', `name: "${name}" is an imported model; choose another name`);
    }
    try {
      return model && registry.resolve(name);
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === 'model_unavailable') return undefined;
      throw thrown;
    }
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

/** The first version of a model is always promoted; with `if_better`, also one that cannot be compared with another. */
function shallPromote({ promote }: FinetuneOptions, result: TrainingResult, isNew: boolean): boolean {
  if (promote !== 'if_better') return promote === 'always' || isNew;
  const { accuracy, currentAccuracy } = result;
  return accuracy === undefined || currentAccuracy === undefined || accuracy > currentAccuracy;
}
