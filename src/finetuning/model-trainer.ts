import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../common/durable-files.ts';
import { AppError, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { IccMode } from '../image/crop.ts';
import { type ArtifactStore, isStoredName, type StoredModel } from '../registry/artifact-store.ts';
import { modelRemoved, withNeededModels } from '../registry/needed-models.ts';
import { type ModelVersion, type Registry, SERVING_ALIAS } from '../registry/registry.ts';
import type { Repository } from '../registry/repository.ts';
import type { BucketOptions } from '../registry/s3/bucket.ts';
import { type StorePatience, withPatience } from '../registry/store-patience.ts';
import type { ConversionCache } from '../serving/conversion-cache.ts';
import type { PreflightReport } from './dataset/preflight-report.ts';
import type { DistillationOptions } from './distillation/distillation-options.ts';
import type { TrainingModel } from './features/feature-network.ts';
import { type FinetuneOptions, type FinetuneRequest, parseFinetuneOptions } from './finetune-options.ts';
import type { InspectionTask, TrainingResult } from './training-messages.ts';
import { runDistillation, runInspection, runTraining, type TrainingControl } from './training-process.ts';

/** Dependencies of `ModelTrainer`. */
export interface ModelTrainerParts {
  readonly registry: Registry;
  readonly repository: Pick<Repository, 'refresh' | 'resolve'>;
  readonly store: ArtifactStore;
  readonly conversions: Pick<ConversionCache, 'get'>;
  readonly logger: Logger;
  /** Backbone of a request that names none. */
  readonly defaultBackbone: string;
  /** The seed of the zoo, for the concepts of its labels. */
  readonly zooDir: string;
  /** Where features are kept between trainings. */
  readonly featureDir: string;
  /** The most bytes that are kept there after a training, and in the bucket. */
  readonly maxFeatureBytes: number;
  /** The bucket in which machines share features; absent where there is none. */
  readonly bucket?: BucketOptions | undefined;
  /** Folder for temporary files of trainings. */
  readonly workDir: string;
  readonly maxImagePixels: number;
  /** What is done with colour profiles for backbones that do not say it. */
  readonly icc: IccMode;
}

/** A version that was trained and can be served. */
export interface PublishedVersion extends TrainingResult {
  readonly model: string;
  readonly version: number;
  /** Whether the model's bare name now means this version. */
  readonly promoted: boolean;
}

type Control = Omit<TrainingControl, 'logger'>;

/** Trains new versions of models and publishes them. The training itself runs in a process of its own. */
export class ModelTrainer {
  readonly #parts: ModelTrainerParts;

  constructor(parts: ModelTrainerParts) {
    this.#parts = parts;
  }

  /**
   * Checks the names in a request, and replaces an alias or a short name of the backbone by its version and full name:
   * they may mean another one when the job runs.
   * @throws AppError as `Registry.resolve` for the backbone; `invalid_request` when the name is another model's
   */
  pinBackbone(request: FinetuneRequest): FinetuneRequest {
    const options = parseFinetuneOptions(request);
    const { name, version } = this.#parts.registry.resolve(this.#backboneOf(options));
    this.#current(options.name);
    if (options.backbone === undefined) return request;
    const hasOneVersion = this.#parts.registry.find(name)?.origin === 'zoo';
    return { ...request, backbone: hasOneVersion ? name : `${name}@${version}` };
  }

  /** Inspects a zip or folder without training. @throws AppError when it cannot be trained on */
  inspect(options: FinetuneOptions, datasetPath: string, control: Control): Promise<PreflightReport> {
    return this.#withWorkDir(async (workDir) => {
      const { registry, repository } = this.#parts;
      const backbone = await repository.resolve(registry, this.#backboneOf(options));
      const task = await this.#inspectionTask(options, backbone, datasetPath, workDir);
      return await this.#withBackbones([task.backbone], () =>
        runInspection(task, { ...control, logger: this.#parts.logger }),
      );
    });
  }

  /**
   * Trains on a zip or folder and publishes the new version.
   * @param key the same key never makes a second version
   * @throws AppError when the data set cannot be trained on; `model_not_found` when the backbone was removed since it was
   * pinned; `training_lost`
   */
  train(options: FinetuneOptions, datasetPath: string, key: string, control: Control): Promise<PublishedVersion> {
    const patience = this.#patience(control);
    return this.#publish(options, key, patience, async ({ workDir, versionDir, reserveVersion }) => {
      const task = await withPatience(patience, async () => {
        const backbone = await this.#pinned('backbone', this.#backboneOf(options));
        return {
          ...(await this.#inspectionTask(options, backbone, datasetPath, workDir)),
          candidates: options.search === 'thorough' ? await this.#candidates(options) : [],
          deadline: Date.now() + options.budget_minutes * 60_000,
          current: await this.#compared(options.name),
          versionDir,
        };
      });
      return await this.#withBackbones([task.backbone, ...task.candidates], () =>
        runTraining(task, { ...control, logger: this.#parts.logger }, reserveVersion),
      );
    });
  }

  /**
   * Resolves the models of a distillation.
   * @throws AppError as `Registry.resolve` and `resolveClassifier`; `invalid_request` when the name is another model's
   */
  distillationModels({ teacher, student, name }: DistillationOptions): Record<'teacher' | 'student', ModelVersion> {
    const { registry } = this.#parts;
    const models = { teacher: registry.resolveClassifier(teacher), student: registry.resolve(student) };
    this.#current(name);
    return models;
  }

  /**
   * Teaches a student the answers of a teacher on unlabelled pictures, and publishes it as a new version.
   * @param key the same key never makes a second version
   * @throws AppError `dataset_too_small`; as `distillationModels`; `model_not_found` also when a model is removed while it
   * is needed; `training_lost`
   */
  distill(options: DistillationOptions, datasetPath: string, key: string, control: Control): Promise<PublishedVersion> {
    const patience = this.#patience(control);
    return this.#publish(options, key, patience, async ({ workDir, versionDir, reserveVersion }) => {
      for (const role of ['teacher', 'student'] as const) {
        await withPatience(patience, () => this.#pinned(role, options[role]));
      }
      const { teacher, student } = this.distillationModels(options);
      const { featureDir, maxFeatureBytes, bucket, maxImagePixels, logger } = this.#parts;
      const task = await withPatience(patience, async () => ({
        options,
        datasetPath,
        teacher: await this.#trainingModel('teacher', teacher),
        student: await this.#trainingModel('student', student),
        labels: teacher.manifest.labels,
        ...{ featureDir, maxFeatureBytes, bucket, maxImagePixels, workDir, versionDir },
      }));
      const needed = (['teacher', 'student'] as const).map((role) => ({ ...task[role], role }));
      return await withNeededModels(this.#parts, needed, () =>
        runDistillation(task, { ...control, logger }, reserveVersion),
      );
    });
  }

  /** Publishes what a training leaves in its folder for the version. */
  #publish(
    options: Pick<FinetuneOptions, 'name' | 'promote'>,
    key: string,
    patience: StorePatience,
    work: (place: {
      readonly workDir: string;
      readonly versionDir: string;
      readonly reserveVersion: () => Promise<number>;
    }) => Promise<TrainingResult>,
  ): Promise<PublishedVersion> {
    const { store } = this.#parts;
    return this.#withWorkDir(async (workDir) => {
      const versionDir = join(workDir, 'version');
      await mkdir(versionDir);
      const reserveVersion = () => withPatience(patience, () => store.reserveVersion(options.name, key));
      const result = await work({ workDir, versionDir, reserveVersion });
      // An import may have taken the name since the training began.
      this.#current(options.name);
      const chooseAlias = (before: StoredModel) => (shouldPromote(options, result, before) ? SERVING_ALIAS : undefined);
      const version = await withPatience(patience, () => store.putVersion(options.name, versionDir, key, chooseAlias));
      await this.#refreshPublished(options.name, patience);
      const promoted = this.#parts.registry.find(options.name)?.aliases[SERVING_ALIAS] === version;
      return { model: options.name, version, promoted, ...result };
    });
  }

  #patience({ signal }: Control): StorePatience {
    return { logger: this.#parts.logger, signal };
  }

  /** A failure is logged: the version is published, and the watch on the store reads it later. */
  async #refreshPublished(name: string, patience: StorePatience): Promise<void> {
    try {
      await withPatience(patience, () => this.#parts.repository.refresh(this.#parts.registry, name));
    } catch (thrown) {
      this.#parts.logger.error({ model: name, reason: messageOf(thrown) }, 'a new version could not be read');
    }
  }

  /** Gives a task a folder of its own while it runs. */
  async #withWorkDir<T>(work: (workDir: string) => Promise<T>): Promise<T> {
    await makeFolder(this.#parts.workDir);
    const workDir = await mkdtemp(join(this.#parts.workDir, 'task-'));
    try {
      return await work(workDir);
    } finally {
      await rm(workDir, { recursive: true, force: true }).catch((thrown: unknown) => {
        // The folder of all tasks is emptied at the next start.
        this.#parts.logger.warn({ path: workDir, reason: messageOf(thrown) }, 'temporary files could not be removed');
      });
    }
  }

  #backboneOf({ backbone }: FinetuneOptions): string {
    return backbone ?? this.#parts.defaultBackbone;
  }

  /** A version that was there when its training was asked for. @throws AppError as `Repository.resolve` */
  async #pinned(role: 'backbone' | 'teacher' | 'student', reference: string): Promise<ModelVersion> {
    const { registry, repository } = this.#parts;
    try {
      return await repository.resolve(registry, reference);
    } catch (thrown) {
      const [name = ''] = reference.split('@');
      // Models of the zoo may be missing on this machine alone, which the registry says.
      const isGone = thrown instanceof AppError && thrown.code === 'model_not_found' && isStoredName(name);
      throw isGone ? modelRemoved(role, reference, thrown) : thrown;
    }
  }

  /** Does work with backbones. @throws AppError `model_not_found` when it fails because one was removed */
  #withBackbones<T>(backbones: readonly TrainingModel[], work: () => Promise<T>): Promise<T> {
    const needed = backbones.map(({ name, version }) => ({ name, version, role: 'backbone' }));
    return withNeededModels(this.#parts, needed, work);
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

  /** The version to compare with; undefined also when it is removed while it is prepared. */
  async #compared(name: string): Promise<TrainingModel | undefined> {
    const { registry, repository } = this.#parts;
    // The store does not know a name of the zoo, for which this throws.
    this.#current(name);
    // Another machine may just have promoted a version.
    await repository.refresh(registry, name);
    const current = this.#current(name);
    try {
      return current && (await this.#trainingModel('version in service', current));
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === 'model_not_found') return undefined;
      throw thrown;
    }
  }

  async #inspectionTask(
    options: FinetuneOptions,
    model: ModelVersion,
    datasetPath: string,
    workDir: string,
  ): Promise<InspectionTask> {
    const { zooDir, featureDir, maxFeatureBytes, bucket, maxImagePixels } = this.#parts;
    const backbone = await this.#trainingModel('backbone', model);
    return { options, datasetPath, backbone, zooDir, featureDir, maxFeatureBytes, bucket, maxImagePixels, workDir };
  }

  /**
   * The models that a search may choose from: the one that the request names, or all of the zoo that are here, those
   * that were pulled and imported among them, the default first.
   */
  async #candidates(options: FinetuneOptions): Promise<TrainingModel[]> {
    const first = this.#parts.registry.resolve(this.#backboneOf(options));
    const others = this.#parts.registry
      .list()
      .flatMap(({ origin, versions }) => (origin === 'zoo' && options.backbone === undefined ? versions : []))
      .filter(({ name }) => name !== first.name)
      .sort((a, b) => a.manifest.file.parameters - b.manifest.file.parameters);
    const candidates = [await this.#trainingModel('backbone', first)];
    for (const model of others) {
      try {
        candidates.push(await this.#trainingModel('backbone', model));
      } catch (thrown) {
        this.#parts.logger.warn({ model: model.name, reason: messageOf(thrown) }, 'a backbone was not searched');
      }
    }
    return candidates;
  }

  /** Converts a model. @throws AppError `model_not_found` when it is removed meanwhile; as `ConversionCache.get` */
  #trainingModel(role: string, model: ModelVersion): Promise<TrainingModel> {
    const { name, version, manifest } = model;
    return withNeededModels(this.#parts, [{ name, version, role }], async () => {
      const { key, onnx, maxBatch } = await this.#parts.conversions.get(model);
      const { weightsPath } = await model.files();
      return {
        name,
        version,
        manifest: manifest.file,
        // The new version is served as it was trained, whatever the setting is then.
        preprocessing: { ...manifest.preprocessing, icc: manifest.preprocessing.icc ?? this.#parts.icc },
        labels: manifest.labels.map(({ label }) => label),
        weightsPath,
        key,
        onnxPath: onnx.path,
        maxBatch,
      };
    });
  }
}

/** The first version of a model is always promoted; with `if_better`, also one that cannot be compared with another. */
function shouldPromote(
  { promote }: Pick<FinetuneOptions, 'promote'>,
  result: TrainingResult,
  before: StoredModel,
): boolean {
  const isFirst = before.versions.length === 0 && !Object.hasOwn(before.aliases, SERVING_ALIAS);
  if (promote !== 'if_better') return promote === 'always' || isFirst;
  const { accuracy, currentAccuracy } = result;
  return accuracy === undefined || currentAccuracy === undefined || accuracy > currentAccuracy;
}
