/** The composition root: builds every object of the server, starts it and ends it. With `services.ts`, it alone knows everyone. */
import { once } from 'node:events';
import { mkdir, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ModelPuller } from './acquire/pull/model-puller.ts';
import { ModelPulls } from './acquire/pull/model-pulls.ts';
import { TfjsQuantizer } from './catalogue/export/tfjs-quantization.ts';
import { ModelAdministration } from './catalogue/model-administration.ts';
import { ModelCatalogue } from './catalogue/model-catalogue.ts';
import { AppError, messageOf } from './common/errors.ts';
import type { Logger } from './common/logger.ts';
import type { Config } from './config.ts';
import { FinetuneJobs } from './finetuning/finetune-jobs.ts';
import { createApp } from './http/app.ts';
import type { Readiness } from './http/dependencies.ts';
import { createHttpServer } from './http/http-server.ts';
import { openFileJobQueue } from './jobs/file-job-queue.ts';
import { createFinetuner, createServices, ENGINE_GRACE_MS, packageVersion, type Services } from './services.ts';

/** A server that has not started to listen. */
export interface MenagerieServer {
  /** Listens, then makes the models ready. Settles when the default model answers, or is known not to. */
  start(): Promise<void>;
  /** Stops intake, lets what is in flight finish and ends the children, within `SHUTDOWN_TIMEOUT_MS`. */
  close(): Promise<void>;
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
