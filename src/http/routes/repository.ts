import { z } from 'zod';
import type { ModelControl } from '../../catalogue/model-control.ts';
import type { Config } from '../../config.ts';
import { readJson } from '../body.ts';
import { sendJson } from '../respond.ts';
import { pathParameter, type Route } from './route.ts';

/** Bytes of a body, which has a few members or none. */
const MAX_BODY_BYTES = 64 * 1024;

const indexSchema = z.looseObject({ ready: z.boolean().default(false) });
/** Parameters of Triton's clients, as far as they ask for nothing that is not supported. */
const changeSchema = z.looseObject({
  parameters: z.strictObject({ unload_dependents: z.literal(false).optional() }).optional(),
});

interface RepositoryDependencies {
  readonly control: Pick<ModelControl, 'index' | 'load' | 'unload'>;
  readonly config: Pick<Config, 'requestTimeoutMs' | 'stallTimeoutMs'>;
}

/** The model repository extension of the Open Inference Protocol: index, load and unload. */
export function repositoryRoutes({ control, config }: RepositoryDependencies): Route[] {
  const { requestTimeoutMs: timeoutMs, stallTimeoutMs } = config;
  const bodyLimits = { maxBytes: MAX_BODY_BYTES, timeoutMs, stallTimeoutMs };
  return [
    {
      method: 'post',
      path: '/v2/repository/index',
      handle: async (request, response) => {
        const body = { schema: indexSchema, example: '{"ready": true}, {} or no body' };
        const { ready } = await readJson(request, bodyLimits, body);
        sendJson(response, 200, control.index(ready));
      },
    },
    {
      method: 'post',
      path: '/v2/repository/models/{id}/load',
      handle: async (request, response) => {
        await readJson(request, bodyLimits, { schema: changeSchema, example: '{} or no body' });
        sendJson(response, 200, await control.load(pathParameter(request, 'id')));
      },
    },
    {
      method: 'post',
      path: '/v2/repository/models/{id}/unload',
      handle: async (request, response) => {
        await readJson(request, bodyLimits, { schema: changeSchema, example: '{} or no body' });
        sendJson(response, 200, await control.unload(pathParameter(request, 'id')));
      },
    },
  ];
}
