/** The composition root: builds every object of the server, starts it and ends it. It alone knows everyone. */
import { once } from 'node:events';
import { mkdir, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Config } from './config.ts';
import { EnginePool, engineCount } from './engine/pool.ts';
import { AppError, messageOf } from './errors.ts';
import { createApp } from './http/app.ts';
import type { Readiness } from './http/dependencies.ts';
import { createHttpServer } from './http/http-server.ts';
import { createMetrics, type Metrics } from './http/metrics.ts';
import { drawHeat } from './image/heat-overlay.ts';
import { modelCrop, preprocessImage } from './image/preprocess.ts';
import type { Logger } from './logger.ts';
import { ENGINE_NICENESS } from './niceness.ts';
import { Admission } from './pipelines/admission.ts';
import { ConversionCache } from './pipelines/conversion.ts';
import { FinetuneJobs } from './pipelines/finetune-jobs.ts';
import { Finetuner } from './pipelines/finetuner.ts';
import { FormatParity } from './pipelines/format-parity.ts';
import { type ClassifierParts, ImageClassifier } from './pipelines/image-classification.ts';
import { ImageExplainer } from './pipelines/image-explanation.ts';
import { ModelAdministration } from './pipelines/model-administration.ts';
import { ModelCatalogue } from './pipelines/model-catalogue.ts';
import { ModelControl } from './pipelines/model-control.ts';
import { ModelServing } from './pipelines/model-serving.ts';
import { ModelPuller } from './pipelines/pull/model-puller.ts';
import { ModelPulls } from './pipelines/pull/model-pulls.ts';
import { RepositoryWatch } from './pipelines/repository-watch.ts';
import { TensorInference } from './pipelines/tensor-inference.ts';
import { TfjsQuantizer } from './pipelines/tfjs-quantization.ts';
import type { ArtifactStore } from './registry/artifact-store.ts';
import { FileArtifactStore } from './registry/file-artifact-store.ts';
import { Registry } from './registry/registry.ts';
import { Repository } from './registry/repository.ts';
import { openFileJobQueue } from './training/jobs/file-job-queue.ts';

/** Part of the time for stopping that is kept for the engines, once the requests are answered. */
const ENGINE_GRACE_MS = 2_000;

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

/** A server that has not started to listen. */
export interface MenagerieServer {
  /** Listens, then makes the models ready. Settles when the default model answers, or is known not to. */
  start(): Promise<void>;
  /** Stops intake, lets what is in flight finish and ends the children, within `SHUTDOWN_TIMEOUT_MS`. */
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

export async function createServer(config: Config, logger: Logger): Promise<MenagerieServer> {
  const services = await createServices(config, logger);
  const { DATA_DIR, JOB_QUEUE_LIMIT } = config;
  const workDir = join(DATA_DIR, 'work');
  // Opened first: it refuses when another server works in this folder.
  const queue = await openFileJobQueue(join(DATA_DIR, 'jobs'), logger, { maxQueued: JOB_QUEUE_LIMIT });
  // What is left there belongs to nobody: versions are published by then, or made again.
  await makeEmpty(workDir);
  const finetuner = createFinetuner(services, config, logger, workDir);
  const jobs = new FinetuneJobs(finetuner, queue, logger);
  const uploadDir = join(DATA_DIR, 'uploads');
  // Whoever sent what a crash has left there was never told that it arrived.
  await makeEmpty(uploadDir);
  const { registry, store, conversions, engines, serving } = services;
  const limits = {
    maxImageBytes: config.MAX_IMAGE_BYTES,
    maxImages: config.MAX_IMAGES,
    maxBodyBytes: config.MAX_BODY_BYTES,
    requestTimeoutMs: config.REQUEST_TIMEOUT_MS,
    maxArchiveBytes: config.MAX_ARCHIVE_BYTES,
    uploadTimeoutMs: config.UPLOAD_TIMEOUT_MS,
    maxUploads: config.MAX_UPLOADS,
  };
  const pulls = new ModelPulls({
    puller: new ModelPuller({
      seedDir: config.zooDir,
      pulledDir: join(DATA_DIR, 'zoo'),
      settings: config.downloads,
    }),
    publish: () => services.watch.scan(),
    logger,
  });
  let started = false;
  let shuttingDown = false;
  const app = createApp({
    classifier: services.classifier,
    explainer: services.explainer,
    models: new ModelCatalogue({
      registry,
      store,
      conversions,
      quantizer: new TfjsQuantizer(engines),
      defaultModel: config.DEFAULT_MODEL,
    }),
    administration: new ModelAdministration({
      registry,
      store,
      refresh: (name) => finetuner.refresh(name),
      release: (model) => serving.release(model),
      conversions,
    }),
    inference: services.inference,
    control: services.control,
    pulls,
    finetuning: jobs,
    uploadDir,
    readiness: () => readinessOf(services, config.DEFAULT_MODEL, started),
    isShuttingDown: () => shuttingDown,
    metrics: services.metrics,
    limits,
    logger,
    openapi: await readFile(join(config.zooDir, '..', 'openapi.yaml'), 'utf8'),
    webDir: join(config.zooDir, '..', 'dist', 'web'),
    version: await packageVersion(config),
  });
  const { server, drain } = createHttpServer(app, limits);

  return {
    start: async () => {
      server.listen(config.PORT, config.HOST);
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      logger.info({ host: config.HOST, port }, `listening on http://${config.HOST}:${port}`);
      try {
        await serving.load(registry.resolve(config.DEFAULT_MODEL));
        logger.info({ model: config.DEFAULT_MODEL }, 'ready');
      } catch (thrown) {
        if (shuttingDown) return;
        logger.error({ model: config.DEFAULT_MODEL, reason: messageOf(thrown) }, 'the default model does not answer');
      }
      started = true;
      if (shuttingDown) return;
      jobs.start();
      await services.watch.start();
      await convertOthers(services, logger);
    },
    close: async () => {
      shuttingDown = true;
      // Streams of events end when the jobs are given back.
      const drained = drain(Math.max(0, config.SHUTDOWN_TIMEOUT_MS - ENGINE_GRACE_MS));
      await Promise.all([jobs.close(), pulls.close()]);
      await drained;
      await services.close();
    },
  };
}

async function makeEmpty(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
}

/** The default model may be unloaded and loaded again while the server runs. */
function readinessOf({ registry, serving }: Services, defaultModel: string, started: boolean): Readiness {
  if (!started) return { ready: false, reason: 'it is being loaded' };
  try {
    const reason = serving.obstacle(registry.resolve(defaultModel));
    return reason === undefined ? { ready: true } : { ready: false, reason };
  } catch (thrown) {
    return { ready: false, reason: messageOf(thrown) };
  }
}

/** Converts the rest of the zoo ahead of the first request for it; one that fails is told of and costs only itself. */
async function convertOthers({ registry, conversions }: Services, logger: Logger): Promise<void> {
  for (const { name } of registry.list()) {
    try {
      await conversions.get(registry.resolve(name));
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
      logger.error({ model: name, reason: thrown.message }, 'a model of the zoo cannot be converted');
    }
  }
}

async function packageVersion({ zooDir }: Config): Promise<string> {
  const { version } = JSON.parse(await readFile(join(zooDir, '..', 'package.json'), 'utf8')) as { version: string };
  return version;
}
