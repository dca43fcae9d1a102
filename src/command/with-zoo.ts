import { createLogger } from '../common/logger.ts';
import type { OpenedZoo } from '../library/open-zoo.ts';
import type { CommandContext } from './command.ts';

/** Runs a command with the models of the configured folder, and closes them whatever happens. */
export async function withZoo<T>(
  { config, signal }: Pick<CommandContext, 'config' | 'signal'>,
  run: (zoo: OpenedZoo) => Promise<T>,
): Promise<T> {
  const settings = await config();
  // Loaded now: the modules take most of a second, and the help and wrong arguments need none of them.
  const { OpenedZoo } = await import('../library/open-zoo.ts');
  signal.throwIfAborted();
  const zoo = await OpenedZoo.open(settings, createLogger('fatal', process.stderr));
  try {
    return await run(zoo);
  } finally {
    await zoo.close();
  }
}
