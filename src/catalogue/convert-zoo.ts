import { AppError, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { RegisteredModel, Registry } from '../registry/registry.ts';
import type { ConversionCache } from '../serving/conversion-cache.ts';

/**
 * Converts models one after the other, ahead of the first request for each, until the server stops. Failures are logged.
 * @param origins whose models are converted: those whose weights are on this machine
 */
export async function convertZoo(
  registry: Pick<Registry, 'list' | 'resolve'>,
  conversions: Pick<ConversionCache, 'get'>,
  logger: Logger,
  origins: readonly RegisteredModel['origin'][],
): Promise<void> {
  for (const { name, origin } of registry.list()) {
    if (!origins.includes(origin)) continue;
    try {
      await conversions.get(registry.resolve(name));
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === 'shutting_down') return;
      logger.error({ model: name, reason: messageOf(thrown) }, 'a model cannot be converted');
    }
  }
}
