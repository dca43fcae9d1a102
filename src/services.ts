/** Composition of everything but HTTP: the part that the server and the library share. */
import { join } from 'node:path';
import { ModelPuller } from './acquire/pull/model-puller.ts';
import { ImageClassifier } from './answering/image-classification.ts';
import { ImageExplainer } from './answering/image-explanation.ts';
import { ImagePipeline } from './answering/image-pipeline.ts';
import { TensorInference } from './answering/tensor-inference.ts';
import { TfjsQuantizer } from './catalogue/export/tfjs-quantization.ts';
import { FormatParity } from './catalogue/format-parity.ts';
import { LabelCatalogue } from './catalogue/label-catalogue.ts';
import { ModelAdministration } from './catalogue/model-administration.ts';
import { ModelCatalogue } from './catalogue/model-catalogue.ts';
import { ModelControl } from './catalogue/model-control.ts';
import { RepositoryWatch } from './catalogue/repository-watch.ts';
import { type Closers, closingOnFailure } from './common/closers.ts';
import { messageOf } from './common/errors.ts';
import type { Logger } from './common/logger.ts';
import { packageVersion } from './common/package-files.ts';
import type { Config } from './config.ts';
import { ModelTrainer } from './finetuning/model-trainer.ts';
import { warmPixelThread } from './image/pixel-jobs.ts';
import { InferenceStatistics } from './metrics/inference-statistics.ts';
import { createMetrics, type DependencyState, type Metrics } from './metrics/metrics.ts';
import { processCpu } from './metrics/process-cpu.ts';
import type { Tracing } from './metrics/tracing.ts';
import { ModelQuantizer } from './quantizing/model-quantizer.ts';
import { QuantizedModels, VariantFiles } from './quantizing/quantized-models.ts';
import type { ArtifactStore } from './registry/artifact-store.ts';
import { ClassHierarchies } from './registry/class-hierarchy.ts';
import { type ModelVersion, Registry } from './registry/registry.ts';
import { Repository } from './registry/repository.ts';
import { conceptGraphReader } from './registry/zoo.ts';
import { requireExecutionProvider } from './runtime/execution-provider.ts';
import { Admission } from './serving/admission.ts';
import { ConversionCache } from './serving/conversion-cache.ts';
import { DecodeQueue } from './serving/decode-queue.ts';
import type { EnginePool } from './serving/engine-pool.ts';
import { ModelServing } from './serving/model-serving.ts';
import { type StartedEngines, startEngines } from './serving/start-engines.ts';
import { parseTritonAddress } from './serving/triton/triton-address.ts';
import { TritonEngines } from './serving/triton/triton-engines.ts';
import { bucketOf, openStoreServices } from './store-services.ts';

/** Part of `SHUTDOWN_TIMEOUT_MS` that is left for the engines, and for conversions, when the requests are answered. */
export const ENGINE_GRACE_MS = 2_000;

/** The sessions of a model on Triton: their threads and their memory are Triton's own matter. */
const TRITON_LIMITS = { threads: 1, cores: 1, memoryBytes: Number.MAX_SAFE_INTEGER };

/** The objects that the server and the library share. */
export interface Services {
  readonly registry: Registry;
  readonly repository: Repository;
  readonly store: ArtifactStore;
  readonly conversions: ConversionCache;
  readonly engines: EnginePool;
  readonly serving: ModelServing;
  readonly hierarchies: ClassHierarchies;
  readonly classifier: ImageClassifier;
  readonly explainer: ImageExplainer;
  readonly inference: TensorInference;
  readonly control: ModelControl;
  readonly catalogue: ModelCatalogue;
  readonly labels: LabelCatalogue;
  readonly quantizer: ModelQuantizer;
  readonly quantized: QuantizedModels;
  readonly tfjsQuantizer: TfjsQuantizer;
  readonly administration: ModelAdministration;
  readonly puller: ModelPuller;
  readonly watch: RepositoryWatch;
  readonly pipeline: ImagePipeline;
  readonly metrics: Metrics;
  readonly statistics: InferenceStatistics;
  /** Loads the code that decodes images, and starts a thread for it, which the first image would wait for otherwise. */
  readonly warmDecoder: () => Promise<void>;
  /** What the models stand on beyond this machine. */
  readonly dependencies: () => DependencyState[];
  /** What is wrong although requests are answered, for health checks. */
  readonly warnings: () => string[];
  /** Lets images in flight finish, then ends the engines. */
  close(): Promise<void>;
}

/**
 * @param tracing told of each image that was computed
 * @param startedEngines engines that have been started before these modules were loaded; they are started here if absent
 */
export async function createServices(
  config: Config,
  logger: Logger,
  tracing?: Pick<Tracing, 'addImage'>,
  startedEngines: StartedEngines = startEngines(config, logger),
): Promise<Services> {
  return await closingOnFailure(async (closers) => {
    closers.add(() => startedEngines.pool.close(ENGINE_GRACE_MS));
    return await composeServices(config, logger, tracing, startedEngines, closers);
  });
}

async function composeServices(
  config: Config,
  logger: Logger,
  tracing: Pick<Tracing, 'addImage'> | undefined,
  startedEngines: StartedEngines,
  closers: Closers,
): Promise<Services> {
  await requireExecutionProvider(config.executionProvider);
  const registry = new Registry();
  const hierarchies = new ClassHierarchies(
    await conceptGraphReader(config.zooDir, (file, thrown) =>
      logger.warn({ file, reason: messageOf(thrown) }, 'the concepts of a labels file cannot be used'),
    ),
  );

  const parity = new FormatParity(logger);
  closers.add(() => parity.close());
  const conversions = new ConversionCache(join(config.dataDir, 'converted'), logger, ({ name }, converted) =>
    parity.compare(name, converted),
  );
  closers.add(() => conversions.close(ENGINE_GRACE_MS));
  const quantized = new QuantizedModels(join(config.dataDir, 'quantized'));
  await Promise.all([conversions.clear(), quantized.clear()]);
  const versions = () => registry.list().flatMap((model) => model.versions);
  const release = (model: ModelVersion) => serving.release(model);
  const stores = await openStoreServices(config, { quantized, versions, release }, logger);
  closers.add(() => stores.close());
  const { store, variants } = stores;
  const pulledDir = join(config.dataDir, 'zoo');
  const repository = new Repository(config.zooDir, store, pulledDir);
  const engines = startedEngines.pool;
  const address = parseTritonAddress(config.engine);
  const triton =
    address === undefined
      ? undefined
      : await TritonEngines.connect({ address, local: engines, logger, onLost: () => startedEngines.onLost('exited') });
  closers.add(() => triton?.close());
  const version = await packageVersion();
  const metrics = createMetrics({
    version,
    memory: () => [
      { process: 'server', rssBytes: process.memoryUsage.rss() },
      ...engines.report().map(({ index, rss }) => ({ process: `engine-${index}`, rssBytes: rss })),
    ],
    cpu: () => processCpu(engines.report()),
    queues: () => serving.waiting(),
    loaded: () => serving.loaded(),
    imagesInFlight: () => admission.inFlight,
    runtimes: () => engines.report().flatMap((engine) => engine.models),
  });
  closers.add(() => metrics.close());
  // Not before there are metrics: an engine, or Triton, may be lost already.
  startedEngines.onLost = (loss) => metrics.observeEngineLoss(loss);
  const statistics = new InferenceStatistics();
  const serving = new ModelServing({
    ...config,
    conversions: new VariantFiles(conversions, quantized),
    engines: triton ?? engines,
    ...(triton === undefined ? engineLimits(config) : TRITON_LIMITS),
    isPinned: ({ name }) => name === registry.fullName(config.defaultModel.split('@')[0] ?? ''),
    onBatch: (model, runtime, images, inferenceMs) => {
      metrics.observeBatch(model.name, runtime, images);
      statistics.countBatch(model, images, inferenceMs);
    },
    onEviction: (model, runtime) => {
      logger.info({ model: model.name, version: model.version, runtime }, 'unloaded to make room');
      metrics.observeEviction(model.name, runtime);
    },
  });
  closers.add(() => serving.close());
  const admission = new Admission(config.queueLimit);
  const { defaultModel, maxImagePixels } = config;
  let decoder: Promise<typeof import('./image/preprocess.ts')> | undefined;
  // Loaded apart: libvips takes a tenth of a second, in which the server can begin to listen and the engines to load.
  const loadDecoder = () => {
    decoder ??= import('./image/preprocess.ts');
    return decoder;
  };
  const pipeline = new ImagePipeline({
    use: (model, runtime, work) => serving.use(model, runtime, work),
    preprocess: async (bytes, recipe, turn) => {
      const { preprocessImage } = await loadDecoder();
      return preprocessImage(bytes, { ...recipe, icc: recipe.icc ?? config.icc }, maxImagePixels, turn);
    },
    admission,
    decoding: new DecodeQueue(maxImagePixels),
    onImage: (model, runtime, timings) => {
      metrics.observeImage(model.name, runtime, timings);
      statistics.countImage(model, timings);
      tracing?.addImage(model.name, runtime, timings);
    },
    onFailure: (model, ms) => statistics.countFailure(model, ms),
  });
  const classifier = new ImageClassifier({ registry, defaultModel, hierarchies, pipeline });
  const inference = new TensorInference({ registry, conversions, pipeline });
  const explainer = new ImageExplainer({
    registry,
    defaultModel,
    conversions,
    pipeline,
    draw: async (photo, layer, turn) =>
      (await import('./image/heat-overlay.ts')).drawHeat(photo, layer, maxImagePixels, turn),
  });
  const { changes } = stores;
  const folders = [pulledDir, ...changes.folders];
  const watch = new RepositoryWatch({ ...changes, folders, repository, registry, serving, logger });
  // With the store, since a scan may be waiting for one that is silent.
  closers.add(() => Promise.all([stores.close(), watch.close()]));
  await watch.scan();
  const unloadable = () => watch.problems.map(({ where, reason }) => ({ name: where, reason }));
  const control = new ModelControl({ registry, serving, unloadable });
  const tfjsQuantizer = new TfjsQuantizer(engines);
  return {
    registry,
    repository,
    store,
    conversions,
    engines,
    serving,
    hierarchies,
    pipeline,
    classifier,
    explainer,
    inference,
    control,
    catalogue: new ModelCatalogue({
      ...config,
      version,
      registry,
      store,
      conversions,
      quantizer: tfjsQuantizer,
      quantized,
      graph: { find: (synset) => hierarchies.graph.find(synset) },
    }),
    labels: new LabelCatalogue({ registry, hierarchies }),
    administration: new ModelAdministration({ registry, store, conversions, quantized, variants, repository, release }),
    quantizer: new ModelQuantizer({
      ...config,
      registry,
      repository,
      store,
      conversions,
      quantized,
      shared: variants,
      release,
      logger,
    }),
    quantized,
    tfjsQuantizer,
    puller: new ModelPuller({ seedDir: config.zooDir, pulledDir, settings: config.downloads }),
    watch,
    metrics,
    statistics,
    warmDecoder: async () => {
      await Promise.all([loadDecoder(), warmPixelThread()]);
    },
    dependencies: () => [
      ...stores.dependencies(),
      ...(triton ? [{ dependency: 'triton', isUp: triton.obstacle === undefined }] : []),
    ],
    warnings: () => [...engines.warnings, ...(triton?.warnings ?? []), ...conversions.warnings, ...stores.warnings()],
    close: () => closers.close(),
  };
}

function engineLimits({ engineThreads, cores, modelMemoryBytes, memory }: Config) {
  return { threads: engineThreads, cores, memoryBytes: modelMemoryBytes || Math.floor(memory / 2) };
}

/** Creates fine-tuning on top of the services. @param workDir an existing folder that no other process uses */
export function createModelTrainer(services: Services, config: Config, logger: Logger, workDir: string): ModelTrainer {
  const { registry, repository, store, conversions } = services;
  return new ModelTrainer({
    ...config,
    registry,
    repository,
    store,
    conversions,
    logger,
    featureDir: join(config.dataDir, 'features'),
    bucket: bucketOf(config),
    workDir,
  });
}
