import { once } from 'node:events';
import { messageOf } from '../common/errors.ts';
import { createLogger } from '../common/logger.ts';
import type { Config } from '../config.ts';
import { defineCommand } from './command.ts';
import { expectEnd } from './options.ts';
import { stop } from './stop.ts';
import { UsageError } from './usage-error.ts';

/** Works on jobs in Redis until the first signal. */
export const worker = defineCommand({
  usage: '',
  details:
    'JOB_QUEUE names the Redis and ARTIFACT_STORE the bucket of the servers; a worker has a DATA_DIR of its own,\n' +
    'with the backbones that fine-tunes name, and works on CONCURRENCY jobs at once. It logs JSON lines on\n' +
    'standard output. On SIGTERM or Ctrl-C it takes no new job; those that run may end within\n' +
    'SHUTDOWN_TIMEOUT_MS, or go back to the queue. Then it exits with 0; a second signal ends it at once.',
  options: {},
  json: false,
  run: async ({ positionals }, { config: readConfig, environment, signal }) => {
    expectEnd(positionals);
    const config = await readConfig();
    refuseWithoutOthers(config);
    const logger = createLogger(config.logLevel);
    const stopped = signal.aborted ? Promise.resolve() : once(signal, 'abort');
    try {
      const [{ createWorker }, { warnOfUnknownSettings }] = await Promise.all([
        import('../worker.ts'),
        import('./load-config.ts'),
      ]);
      const running = await createWorker(config, logger);
      warnOfUnknownSettings(environment, logger);
      if (!signal.aborted) await running.work();
      await stopped;
      return await stop(running, logger, 'stopping: no new job is taken, those that run may end');
    } catch (thrown) {
      throw new Error(`the worker cannot start: ${messageOf(thrown)}`, { cause: thrown });
    }
  },
});

/** @throws UsageError when jobs or models would be where no server finds them */
function refuseWithoutOthers({ jobQueue, artifactStore }: Config): void {
  if (jobQueue === '') {
    throw new UsageError(
      'JOB_QUEUE names no Redis: the jobs of a server are files then, and it works on them itself. Give server and ' +
        'worker the same address, such as JOB_QUEUE=redis://host:6379',
    );
  }
  if (artifactStore === '') {
    throw new UsageError(
      'ARTIFACT_STORE names no bucket: models of this worker would be in its DATA_DIR, where no server finds them. ' +
        'Give server and worker the same one, such as ARTIFACT_STORE=s3://bucket/prefix',
    );
  }
}
