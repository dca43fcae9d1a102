/** The process: the only reader of the environment, the only one that handles signals and exits. */

import { messageOf } from './common/errors.ts';
import { createLogger } from './common/logger.ts';
import { readConfig } from './config.ts';
import { createServer } from './server.ts';
import { putEventLoopFirst } from './serving/niceness.ts';

/** Exit codes by convention: 128 plus the number of the signal. */
const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

try {
  const config = readConfig(process.env);
  const logger = createLogger(config.logLevel);
  const server = await createServer(config, logger);
  putEventLoopFirst();

  let stopping = false;
  const stop = async (signal: keyof typeof SIGNAL_EXIT_CODES): Promise<void> => {
    if (stopping) {
      logger.warn({ signal }, 'stopped at once: requests in flight are lost');
      process.exit(SIGNAL_EXIT_CODES[signal]);
    }
    stopping = true;
    logger.info({ signal }, 'stopping: no new requests, those in flight are finished');
    await server.close();
    logger.info('stopped');
    process.exit(0);
  };
  process.on('SIGTERM', (signal) => void stop(signal as 'SIGTERM'));
  process.on('SIGINT', (signal) => void stop(signal as 'SIGINT'));

  await server.start();
} catch (thrown) {
  console.error(`menagerie cannot start: ${messageOf(thrown)}`);
  process.exit(1);
}
