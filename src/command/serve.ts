import { once } from 'node:events';
import { messageOf } from '../common/errors.ts';
import { createLogger, type Logger } from '../common/logger.ts';
import { defineCommand } from './command.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { expectEnd } from './options.ts';

/** Starts the server and stops it with the first signal. */
export const serve = defineCommand({
  usage: '',
  details:
    'The server logs JSON lines on standard output. On SIGTERM or Ctrl-C it finishes what is in flight and exits\n' +
    'with 0; a second signal ends it at once.',
  appendix: async () => (await import('../settings/settings-help.ts')).settingsHelp(),
  options: {},
  json: false,
  run: async ({ positionals }, { config: readConfig, environment, signal }) => {
    expectEnd(positionals);
    const config = await readConfig();
    const logger = createLogger(config.logLevel);
    const { warnOfUnknownSettings } = await import('../settings/load-config.ts');
    warnOfUnknownSettings(environment, logger);
    // A signal while the modules load, which takes a second, stops what is there by then.
    const stopped = signal.aborted ? Promise.resolve() : once(signal, 'abort');
    try {
      const { createServer } = await import('../server.ts');
      const { putEventLoopFirst } = await import('../serving/niceness.ts');
      const server = await createServer(config, logger);
      const closed = stopped.then(() => stop(server, logger));
      putEventLoopFirst();
      await server.listen();
      await Promise.race([server.work(), closed]);
      return await closed;
    } catch (thrown) {
      throw new Error(`menagerie cannot start: ${messageOf(thrown)}`, { cause: thrown });
    }
  },
});

async function stop(server: { close(): Promise<void> }, logger: Logger): Promise<ExitCode> {
  logger.info('stopping: no new requests are accepted, those in flight are finished');
  try {
    await server.close();
    logger.info('stopped');
    return EXIT_CODES.done;
  } catch (thrown) {
    logger.error({ err: thrown }, 'the server did not stop cleanly');
    return EXIT_CODES.failed;
  }
}
