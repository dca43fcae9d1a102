/** Composition of the HTTP server, on top of `services.ts`. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createAccess } from './access/access.ts';
import { KeyFile } from './access/key-file.ts';
import { KeyRing } from './access/key-ring.ts';
import { RateLimit } from './access/rate-limit.ts';
import { ModelPulls } from './acquire/pull/model-pulls.ts';
import { convertZoo } from './catalogue/convert-zoo.ts';
import { DefaultModel } from './catalogue/default-model.ts';
import { type Closers, closingOnFailure } from './common/closers.ts';
import { messageOf } from './common/errors.ts';
import type { Logger } from './common/logger.ts';
import { packageFile, packageVersion } from './common/package-files.ts';
import type { Config } from './config.ts';
import { createGrpcServer } from './grpc/grpc-server.ts';
import { createApp } from './http/app.ts';
import { createHttpServer } from './http/http-server.ts';
import { openFinetuneJobs, removeLeftovers } from './job-services.ts';
import { startTracing } from './metrics/tracing.ts';
import { loadGrpc } from './oip/grpc-library.ts';
import { BodyParser } from './protocol/body-parser.ts';
import { QUANTIZATION, workOnQuantization } from './quantizing/quantization-job.ts';
import { createServices, ENGINE_GRACE_MS } from './services.ts';
import { ByteBudget } from './serving/byte-budget.ts';
import type { StartedEngines } from './serving/start-engines.ts';

/**
 * Connections that wait to be accepted. Node's default of 511 is less than a burst of clients; the system may allow
 * fewer.
 */
const MAX_PENDING_CONNECTIONS = 4_096;

/** A server that is not listening yet. */
export interface ServerParts {
  /** Answers requests, also those of another HTTP server. */
  readonly handler: RequestListener;
  /** @returns the port @throws Error of the system, such as `EADDRINUSE` */
  listen(): Promise<number>;
  /** Loads the default model, starts the jobs and converts the other models. */
  work(): Promise<void>;
  /** Stops accepting requests, lets those in flight finish and ends the children, within `SHUTDOWN_TIMEOUT_MS`. */
  close(): Promise<void>;
}

/**
 * @param engines engines that have been started before this module was loaded; they are started here if absent
 * @throws FolderLockedError when another process uses the data folder; Error when Redis, the bucket or an optional package
 * cannot be used
 */
export async function createServer(config: Config, logger: Logger, engines?: StartedEngines): Promise<ServerParts> {
  return await closingOnFailure((closers) => composeServer(config, logger, engines, closers));
}

async function composeServer(
  config: Config,
  logger: Logger,
  engines: StartedEngines | undefined,
  closers: Closers,
): Promise<ServerParts> {
  const grpcLibrary = config.grpcPort === 0 ? undefined : await loadGrpc('GRPC_PORT');
  const keys = await KeyRing.open(new KeyFile(config.dataDir), logger);
  const access = await createAccess(config, keys);
  const version = await packageVersion();
  const openapi = await readFile(packageFile('openapi.yaml'), 'utf8');
  const tracing = config.traces ? await startTracing(version, logger) : undefined;
  closers.add(() => tracing?.close());
  const services = await createServices(config, logger, tracing, engines);
  closers.add(() => services.close());
  const { registry, conversions, serving, watch, puller, metrics } = services;
  const { dataDir } = config;
  const uploadDir = join(dataDir, 'uploads');
  const finetuning = await openFinetuneJobs(services, config, logger, {
    ...(tracing && { tracing }),
    others: { [QUANTIZATION]: (...job) => workOnQuantization(services.quantizer, ...job) },
  });
  // After the queue was opened, which throws when another server uses the folder.
  await removeLeftovers(uploadDir, logger);
  if (!config.workOnJobs && config.jobQueue === '') {
    logger.warn('nobody will work on fine-tunes: WORK_ON_JOBS is false, and JOB_QUEUE names no Redis');
  }
  const pulls = new ModelPulls({
    puller,
    publish: async ({ name }) => {
      const isAwaited = registry.findAbsent(config.defaultModel)?.name === name;
      await watch.scan();
      if (isAwaited) void defaultModel.load();
    },
    onStart: () => metrics.startPull(),
    logger,
  });
  const defaultModel = new DefaultModel({ ...config, registry, serving, logger });
  const bodyBudget = new ByteBudget(config.maxBytesInFlight);
  metrics.watchServer({
    jobs: () => finetuning.jobs.list(),
    bytesInFlight: () => bodyBudget.reserved,
    dependencies: () => [...services.dependencies(), ...finetuning.jobs.dependencies],
  });
  let isShuttingDown = false;
  // What both interfaces stand on: limits count over both.
  const shared = {
    ...services,
    config,
    access,
    rateLimit: new RateLimit(config.requestsPerMinute),
    bodyBudget,
    parser: new BodyParser(config),
    readiness: () => defaultModel.readiness(),
    isShuttingDown: () => isShuttingDown,
    logger,
    version,
  };
  const app = createApp({
    ...shared,
    tracing,
    pulls,
    finetuning,
    uploadDir,
    warnings: () => [...services.warnings(), ...finetuning.warnings],
    openapi,
    webDir: packageFile('dist', 'web'),
  });
  const { server, drain } = createHttpServer(app, config);
  const grpc = grpcLibrary && createGrpcServer(grpcLibrary, shared);

  return {
    handler: app,
    listen: async () => {
      const { host } = config;
      server.listen({ port: config.port, host, backlog: MAX_PENDING_CONNECTIONS });
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      logger.info(
        { host, port, dataDir },
        `listening on http://${host.includes(':') ? `[${host}]` : host}:${port}${config.basePath}`,
      );
      if (grpc !== undefined) {
        const grpcPort = await grpc.listen(config.grpcPort);
        logger.info({ host, grpcPort }, 'listening for gRPC');
      }
      return port;
    },
    work: async () => {
      keys.watch();
      // Other machines change models also while this one loads the first.
      await watch.start();
      const absent = config.autoPull ? registry.findAbsent(config.defaultModel) : undefined;
      if (absent === undefined) await defaultModel.load();
      else {
        await pulls.start(absent.name, false).catch((thrown: unknown) => {
          logger.error({ model: absent.name, reason: messageOf(thrown) }, 'the default model cannot be pulled');
        });
      }
      if (isShuttingDown) return;
      // What cannot be loaded ends the start.
      await services.warmDecoder();
      if (isShuttingDown) return;
      if (config.workOnJobs) finetuning.start();
      else finetuning.watch();
      await convertZoo(registry, conversions, logger, config.artifactStore === '' ? ['zoo', 'store'] : ['zoo']);
    },
    close: async () => {
      isShuttingDown = true;
      // Event streams end when the jobs and pulls are closed.
      const graceMs = Math.max(0, config.shutdownTimeoutMs - ENGINE_GRACE_MS);
      const drained = Promise.all([drain(graceMs), grpc?.drain(graceMs)]);
      await Promise.all([finetuning.close(), pulls.close()]);
      await drained;
      keys.close();
      await closers.close();
    },
  };
}
