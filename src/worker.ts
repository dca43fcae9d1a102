/** Composition of a worker, on top of `services.ts`: a machine that trains and answers no requests. */
import { closingOnFailure } from './common/closers.ts';
import type { Logger } from './common/logger.ts';
import { packageVersion } from './common/package-files.ts';
import type { Config } from './config.ts';
import { openFinetuneJobs } from './job-services.ts';
import { startTracing } from './metrics/tracing.ts';
import { QUANTIZATION, workOnQuantization } from './quantizing/quantization-job.ts';
import { createServices, ENGINE_GRACE_MS } from './services.ts';

/** A worker that has not begun yet. */
export interface WorkerParts {
  /** Begins to work on jobs, `CONCURRENCY` at once. */
  work(): Promise<void>;
  /**
   * Takes no new job, and lets those that run end within `SHUTDOWN_TIMEOUT_MS`. Jobs that take longer go back to the
   * queue.
   */
  close(): Promise<void>;
}

/** @throws Error when the data folder belongs to another process, or Redis or the bucket cannot be used */
export async function createWorker(config: Config, logger: Logger): Promise<WorkerParts> {
  return await closingOnFailure(async (closers) => {
    const tracing = config.traces ? await startTracing(await packageVersion(), logger) : undefined;
    closers.add(() => tracing?.close());
    // No image is answered here, so one engine, which waits, is enough.
    const services = await createServices({ ...config, engineThreads: config.cores }, logger);
    closers.add(() => services.close());
    const finetuning = await openFinetuneJobs(services, config, logger, {
      ...(tracing && { tracing }),
      others: { [QUANTIZATION]: (...job) => workOnQuantization(services.quantizer, ...job) },
    });
    return {
      work: async () => {
        finetuning.start(config.concurrency);
        await services.watch.start();
        logger.info({ dataDir: config.dataDir }, 'working on jobs');
      },
      close: async () => {
        await finetuning.close(Math.max(0, config.shutdownTimeoutMs - ENGINE_GRACE_MS));
        await closers.close();
      },
    };
  });
}
