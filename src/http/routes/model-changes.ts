import { z } from 'zod';
import type { ModelAdministration } from '../../catalogue/model-administration.ts';
import type { ModelCatalogue } from '../../catalogue/model-catalogue.ts';
import type { Config } from '../../config.ts';
import { readJson, unsupportedMediaType } from '../body.ts';
import { sendJson } from '../respond.ts';
import { pathParameter, type Route } from './route.ts';

/** Bytes of the JSON that names a version. */
const MAX_BODY_BYTES = 1024;

const aliasSchema = z.strictObject({ version: z.number().int().min(1) });

interface ModelChangeDependencies {
  readonly catalogue: Pick<ModelCatalogue, 'describeAny'>;
  readonly administration: Pick<ModelAdministration, 'setAlias' | 'removeAlias' | 'removeVersion'>;
  readonly config: Pick<Config, 'requestTimeoutMs' | 'stallTimeoutMs'>;
}

/** Promotion, rollback and removal of fine-tuned models. */
export function modelChangeRoutes({ catalogue, administration, config }: ModelChangeDependencies): Route[] {
  const { requestTimeoutMs: timeoutMs, stallTimeoutMs } = config;
  const bodyLimits = { maxBytes: MAX_BODY_BYTES, timeoutMs, stallTimeoutMs };
  return [
    {
      method: 'put',
      path: '/models/{id}/aliases/{alias}',
      handle: async (request, response) => {
        if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
          throw unsupportedMediaType(request, 'JSON, such as {"version": 1}, as "Content-Type: application/json"');
        }
        const { version } = await readJson(request, bodyLimits, { schema: aliasSchema, example: '{"version": 1}' });
        response.locals.subject = { version };
        const id = pathParameter(request, 'id');
        await administration.setAlias(id, pathParameter(request, 'alias'), version);
        sendJson(response, 200, await catalogue.describeAny(id));
      },
    },
    {
      method: 'delete',
      path: '/models/{id}/aliases/{alias}',
      handle: async (request, response) => {
        const id = pathParameter(request, 'id');
        await administration.removeAlias(id, pathParameter(request, 'alias'));
        sendJson(response, 200, await catalogue.describeAny(id));
      },
    },
    {
      method: 'delete',
      path: '/models/{id}',
      handle: async (request, response) => {
        await administration.removeVersion(pathParameter(request, 'id'));
        response.statusCode = 204;
        response.end();
      },
    },
  ];
}
