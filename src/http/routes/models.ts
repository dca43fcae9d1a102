import type { HttpDependencies } from '../dependencies.ts';
import { sendJson } from '../respond.ts';
import type { Route } from './route.ts';

/** What the zoo holds, in short and in full. */
export function modelRoutes({ models }: Pick<HttpDependencies, 'models'>): Route[] {
  return [
    {
      method: 'get',
      path: '/models',
      handle: (_request, response) => sendJson(response, 200, { models: models.list() }),
    },
    {
      method: 'get',
      path: '/models/{id}',
      handle: async (request, response) => sendJson(response, 200, await models.describe(String(request.params['id']))),
    },
  ];
}
