import { AppError } from '../../common/errors.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { send, sendJson } from '../respond.ts';
import type { Route } from './route.ts';

type Needs = Pick<HttpDependencies, 'readiness' | 'isShuttingDown' | 'metrics'>;

/** What those ask who run the server: health as in the Open Inference Protocol, and Prometheus's metrics. */
export function operationsRoutes({ readiness, isShuttingDown, metrics }: Needs): Route[] {
  return [
    {
      method: 'get',
      path: '/v2/health/live',
      whileShuttingDown: true,
      handle: (_request, response) => sendJson(response, 200, { live: true }),
    },
    {
      method: 'get',
      path: '/v2/health/ready',
      whileShuttingDown: true,
      handle: async (_request, response) => {
        if (isShuttingDown()) throw new AppError('shutting_down', 'The server takes no new requests; ask another one.');
        const state = await readiness();
        if (!state.ready) throw new AppError('model_unavailable', `The default model does not answer: ${state.reason}`);
        sendJson(response, 200, { ready: true });
      },
    },
    {
      method: 'get',
      path: '/metrics',
      whileShuttingDown: true,
      handle: async (_request, response) => send(response, metrics.contentType, await metrics.text()),
    },
  ];
}
