/** What classifies, without HTTP: the part of the composition that the server and the command lines share. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClassifierParts, ImageClassifier } from './answering/image-classification.ts';
import { ImageExplainer } from './answering/image-explanation.ts';
import { TensorInference } from './answering/tensor-inference.ts';
import { FormatParity } from './catalogue/format-parity.ts';
import { ModelControl } from './catalogue/model-control.ts';
import { RepositoryWatch } from './catalogue/repository-watch.ts';
import type { Logger } from './common/logger.ts';
import type { Config } from './config.ts';
import { Finetuner } from './finetuning/finetuner.ts';
import { drawHeat } from './image/heat-overlay.ts';
import { modelCrop, preprocessImage } from './image/preprocess.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import type { ArtifactStore } from './registry/artifact-store.ts';
import { FileArtifactStore } from './registry/file-artifact-store.ts';
import { Registry } from './registry/registry.ts';
import { Repository } from './registry/repository.ts';
import { Admission } from './serving/admission.ts';
import { ConversionCache } from './serving/conversion.ts';
import { EnginePool, engineCount } from './serving/engine-pool.ts';
import { ModelServing } from './serving/model-serving.ts';
import { ENGINE_NICENESS } from './serving/niceness.ts';

/** Part of the time for stopping that is kept for the engines, once the requests are answered. */
export const ENGINE_GRACE_MS = 2_000;

/** Everything that classifies, without HTTP: what the server and the command lines share. */
export interface Services {
  readonly registry: Registry;
  readonly repository: Repository;
  readonly store: ArtifactStore;
  readonly conversions: ConversionCache;
  readonly engines: EnginePool;
  readonly serving: ModelServing;
  readonly classifier: ImageClassifier;
  readonly explainer: ImageExplainer;
  readonly inference: TensorInference;
  readonly control: ModelControl;
  readonly watch: RepositoryWatch;
  readonly metrics: Metrics;
  /** Lets what was taken finish, then ends the engines. */
  close(): Promise<void>;
}

export async function createServices(config: Config, logger: Logger): Promise<Services> {
  const storeDir = join(config.DATA_DIR, 'models');
  const pulledDir = join(config.DATA_DIR, 'zoo');
  const store = await FileArtifactStore.open(storeDir, logger);
  const repository = new Repository(config.zooDir, store, pulledDir);
  const registry = new Registry();

  const parity = new FormatParity(logger);
  const conversions = new ConversionCache(join(config.DATA_DIR, 'converted'), logger, ({ name }, converted) => {
    void parity.compare(name, converted);
  });
  await conversions.clear();
  const engines = new EnginePool({
    size: engineCount(config.ENGINE_THREADS),
    threads: config.cores,
    niceness: ENGINE_NICENESS,
    logger,
  });
  const metrics = createMetrics({
    version: await packageVersion(config),
    memory: () => [
      { process: 'server', rssBytes: process.memoryUsage.rss() },
      ...engines.report().map(({ index, rss }) => ({ process: `engine-${index}`, rssBytes: rss })),
    ],
    queues: () => serving.waiting(),
    loaded: () => serving.loaded(),
    imagesInFlight: () => admission.inFlight,
    runtimes: () => engines.report().flatMap((engine) => engine.models),
  });
  const serving = new ModelServing({
    conversions,
    engines,
    threads: config.ENGINE_THREADS,
    cores: config.cores,
    maxBatchSize: config.MAX_BATCH_SIZE,
    maxDelayMs: config.MAX_DELAY_MS,
    queueLimit: config.QUEUE_LIMIT,
    memoryBytes: config.MODEL_MEMORY_BYTES || Math.floor(config.memory / 2),
    isPinned: ({ name }) => name === config.DEFAULT_MODEL.split('@')[0],
    onBatch: (model, runtime, images) => metrics.observeBatch(model.name, runtime, images),
    onEviction: (model, runtime) => {
      logger.info({ model: model.name, version: model.version, runtime }, 'unloaded to make room');
      metrics.observeEviction(model.name, runtime);
    },
  });
  const admission = new Admission(config.QUEUE_LIMIT);
  const pipeline: Omit<ClassifierParts, 'defaultModel'> = {
    resolve: (reference) => registry.resolve(reference),
    use: (model, runtime, work) => serving.use(model, runtime, work),
    preprocess: (bytes, recipe) => preprocessImage(bytes, recipe, config.MAX_IMAGE_PIXELS),
    admission,
    onImage: (model, runtime, timings) => metrics.observeImage(model.name, runtime, timings),
  };
  const classifier = new ImageClassifier({
    ...pipeline,
    resolve: (reference) => registry.resolveClassifier(reference),
    defaultModel: config.DEFAULT_MODEL,
  });
  const inference = new TensorInference({
    ...pipeline,
    conversions,
    versionsOf: (name) => registry.get(name).versions.map(({ version }) => version),
  });
  const explainer = new ImageExplainer({
    resolve: (reference) => registry.resolveClassifier(reference),
    defaultModel: config.DEFAULT_MODEL,
    converted: (model) => conversions.get(model),
    use: (model, work) => serving.use(model, 'onnx', work),
    preprocess: (bytes, recipe) => preprocessImage(bytes, recipe, config.MAX_IMAGE_PIXELS),
    crop: modelCrop,
    draw: (photo, layer) => drawHeat(photo, layer, config.MAX_IMAGE_PIXELS),
    admit: (images) => admission.admit(images),
    onImage: (model, timings) => metrics.observeImage(model.name, 'onnx', timings),
  });
  const watch = new RepositoryWatch({ folders: [pulledDir, storeDir], repository, registry, serving, logger });
  await watch.scan();
  const unloadable = () => watch.problems.map(({ where, reason }) => ({ name: where, reason }));
  const control = new ModelControl({ registry, serving, unloadable });
  return {
    registry,
    repository,
    store,
    conversions,
    engines,
    serving,
    classifier,
    explainer,
    inference,
    control,
    watch,
    metrics,
    close: async () => {
      await watch.close();
      await parity.close();
      await serving.close();
      await engines.close(ENGINE_GRACE_MS);
      metrics.close();
    },
  };
}

/** Fine-tuning on top of the services. @param workDir an existing folder of this process alone */
export function createFinetuner(services: Services, config: Config, logger: Logger, workDir: string): Finetuner {
  const { registry, repository, store, conversions } = services;
  return new Finetuner({
    registry,
    repository,
    store,
    conversions,
    logger,
    defaultBackbone: config.DEFAULT_BACKBONE,
    featureDir: join(config.DATA_DIR, 'features'),
    maxFeatureBytes: config.MAX_FEATURE_BYTES,
    workDir,
    maxImagePixels: config.MAX_IMAGE_PIXELS,
  });
}

/** As package.json has it. */
export async function packageVersion({ zooDir }: Config): Promise<string> {
  const { version } = JSON.parse(await readFile(join(zooDir, '..', 'package.json'), 'utf8')) as { version: string };
  return version;
}
