import { AppError, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { Registry } from '../registry/registry.ts';
import type { ModelServing } from '../serving/model-serving.ts';

/** Milliseconds between two attempts to load a model that could not be loaded. */
const RETRY_INTERVAL_MS = 5_000;

/** Dependencies of the default model; `server.ts` provides them. */
export interface DefaultModelOptions {
  readonly registry: Pick<Registry, 'resolve'>;
  readonly serving: Pick<ModelServing, 'use' | 'obstacle'>;
  /** Reference of the model. */
  readonly defaultModel: string;
  readonly logger: Logger;
}

/** Whether the default model answers, and if not, why. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** Loads the model that answers when a request names none, and reports whether it does. */
export class DefaultModel {
  readonly #options: DefaultModelOptions;
  #loading: Promise<void> | undefined;
  #lastAttempt = Number.NEGATIVE_INFINITY;

  constructor(options: DefaultModelOptions) {
    this.#options = options;
  }

  /** Loads the model, unless it was unloaded by request. A failure is logged. */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
      this.#lastAttempt = performance.now();
    });
    return this.#loading;
  }

  /**
   * Readiness as health checks report it. A model that could not be loaded is tried again, in the background, so that
   * a server whose files were repaired becomes ready although no request comes.
   */
  readiness(): Readiness {
    if (this.#loading !== undefined) return { ready: false, reason: this.#obstacle() ?? 'it is being loaded' };
    const reason = this.#obstacle() ?? (this.#lastAttempt < 0 ? 'it is being loaded' : undefined);
    if (reason === undefined) return { ready: true };
    if (performance.now() - this.#lastAttempt > RETRY_INTERVAL_MS) void this.load();
    return { ready: false, reason };
  }

  #obstacle(): string | undefined {
    const { registry, serving, defaultModel } = this.#options;
    try {
      return serving.obstacle(registry.resolve(defaultModel));
    } catch (thrown) {
      return messageOf(thrown);
    }
  }

  async #load(): Promise<void> {
    const { registry, serving, defaultModel: model, logger } = this.#options;
    try {
      await serving.use(registry.resolve(model), 'onnx', async () => undefined);
      logger.info({ model }, 'ready');
    } catch (thrown) {
      if (thrown instanceof AppError && ['shutting_down', 'model_not_loaded'].includes(thrown.code)) return;
      logger.error({ model, reason: messageOf(thrown) }, 'the default model cannot be loaded');
    }
  }
}
