import { AppError, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { Registry } from '../registry/registry.ts';
import type { ConversionCache } from '../serving/conversion-cache.ts';

/**
 * Converts all models one after the other, ahead of the first request for each, until the server stops. Failures are
 * logged.
 */
export async function convertZoo(
  registry: Pick<Registry, 'list' | 'resolve'>,
  conversions: Pick<ConversionCache, 'get'>,
  logger: Logger,
): Promise<void> {
  for (const { name } of registry.list()) {
    try {
      await conversions.get(registry.resolve(name));
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === 'shutting_down') return;
      logger.error({ model: name, reason: messageOf(thrown) }, 'a model cannot be converted');
    }
  }
}
