import type { Logger } from '../common/logger.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';

/** Closes what runs until a signal comes. @param saying what the log says before */
export async function stop(running: { close(): Promise<void> }, logger: Logger, saying: string): Promise<ExitCode> {
  logger.info(saying);
  try {
    await running.close();
    logger.info('stopped');
    return EXIT_CODES.done;
  } catch (thrown) {
    logger.error({ err: thrown }, 'it did not stop cleanly');
    return EXIT_CODES.failed;
  }
}
