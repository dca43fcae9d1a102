import type { ModelPulls } from '../../acquire/pull/model-pulls.ts';
import { AppError } from '../../common/errors.ts';
import type { Config } from '../../config.ts';
import { sendJson } from '../respond.ts';
import { pullDocument } from './pulls.ts';
import type { Route } from './route.ts';

/** Seconds after which a client should ask again; pulls of small models end within them. */
const RETRY_AFTER_S = 5;

/** What `AUTO_PULL` needs. */
export interface AutoPullDependencies {
  readonly pulls: Pick<ModelPulls, 'demand'>;
  readonly config: Pick<Config, 'autoPull' | 'basePath'>;
}

/**
 * With `AUTO_PULL`, a request whose model is in the zoo but not here starts or joins its pull, and is answered with 202
 * and where to follow it. The setting is the permission: the key of the client does not need the scope for pulls.
 */
export function orPull(
  { pulls, config: { autoPull, basePath } }: AutoPullDependencies,
  handle: Route['handle'],
): Route['handle'] {
  if (!autoPull) return handle;
  return async (request, response) => {
    try {
      await handle(request, response);
    } catch (thrown) {
      const model =
        thrown instanceof AppError && thrown.code === 'model_not_pulled' ? thrown.context['model'] : undefined;
      if (typeof model !== 'string') throw thrown;
      const state = await pulls.demand(model);
      response.setHeader('Location', `${basePath}/models/${model}/pull`);
      response.setHeader('Retry-After', RETRY_AFTER_S);
      sendJson(response, 202, pullDocument(state));
    }
  };
}
