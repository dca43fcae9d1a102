import { messageOf } from '../src/common/errors.ts';
import { createLogger, type Logger } from '../src/common/logger.ts';
import { type Config, readConfig } from '../src/config.ts';
import { createServices, type Services } from '../src/services.ts';

/** Services and settings of a script. */
export interface ScriptContext {
  readonly services: Services;
  readonly config: Config;
  readonly logger: Logger;
}

/**
 * Runs a script with the services of a server in the same environment. An error is printed, and the process exits with
 * 1.
 */
export async function withServices(run: (context: ScriptContext) => Promise<void>): Promise<void> {
  try {
    const config = readConfig(process.env);
    const logger = createLogger('error');
    const services = await createServices(config, logger);
    try {
      await run({ services, config, logger });
    } finally {
      await services.close();
    }
  } catch (thrown) {
    console.error(messageOf(thrown));
    process.exitCode = 1;
  }
}
