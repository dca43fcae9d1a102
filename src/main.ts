#!/usr/bin/env -S node --initial-old-space-size=128
/** The process: reads the environment and the arguments, handles signals and exits. No other module does. */

import { parseArgs } from 'node:util';
import { messageOf } from './common/errors.ts';
import { createLogger } from './common/logger.ts';
import type { MenagerieServer } from './server.ts';
import { putEventLoopFirst } from './serving/niceness.ts';
import { loadConfig, warnOfUnknownSettings } from './settings/load-config.ts';
import { settingsHelp } from './settings/settings-help.ts';

/** Exit codes by convention: 128 plus the number of the signal. */
const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Milliseconds in which further signals count as the first one. A signal to the process group arrives directly, and a
 * second time from npm, which passes it on.
 */
const SIGNAL_GRACE_MS = 1_000;

try {
  const { values: options } = parseArgs({ options: { config: { type: 'string' }, help: { type: 'boolean' } } });
  if (options.help) {
    console.log(`Starts the server.\n\n  --config FILE         Settings in a YAML file\n\n${settingsHelp()}`);
    process.exit(0);
  }
  const config = await loadConfig(process.env, options.config);
  const logger = createLogger(config.logLevel);
  warnOfUnknownSettings(process.env, logger);
  let server: MenagerieServer | undefined;
  let stoppingSince: number | undefined;

  const stop = async (signal: keyof typeof SIGNAL_EXIT_CODES): Promise<void> => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince < SIGNAL_GRACE_MS) return;
      logger.warn({ signal }, 'stopped at once: requests in flight are lost');
      process.exit(SIGNAL_EXIT_CODES[signal]);
    }
    stoppingSince = performance.now();
    logger.info({ signal }, 'stopping: no new requests are accepted, those in flight are finished');
    try {
      await server?.close();
      logger.info('stopped');
      process.exit(0);
    } catch (thrown) {
      logger.error({ err: thrown }, 'the server did not stop cleanly');
      process.exit(1);
    }
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));

  // Loaded once signals are handled: its modules take a second, and as PID 1 of a container a process ignores signals
  // that it does not handle.
  const { createServer } = await import('./server.ts');
  server = await createServer(config, logger);
  putEventLoopFirst();
  await server.start();
} catch (thrown) {
  console.error(`menagerie cannot start: ${messageOf(thrown)}`);
  process.exit(1);
}
