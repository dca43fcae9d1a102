import { createLogger, type Logger } from '../common/logger.ts';
import type { Config } from '../config.ts';
import type { Services } from '../services.ts';
import type { CommandContext } from './command.ts';

/** Runs a command with the services of a server on the same folder, and closes them. */
export async function withServices<T>(
  { config: readConfig }: CommandContext,
  run: (services: Services, config: Config, logger: Logger) => Promise<T>,
): Promise<T> {
  const config = await readConfig();
  const logger = createLogger('error', process.stderr);
  const { createServices } = await import('../services.ts');
  const services = await createServices(config, logger);
  try {
    return await run(services, config, logger);
  } finally {
    await services.close();
  }
}
