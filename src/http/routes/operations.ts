import type { Readiness } from '../../catalogue/default-model.ts';
import { AppError } from '../../common/errors.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import { send, sendJson } from '../respond.ts';
import type { Route } from './route.ts';

interface OperationsDependencies {
  /** Whether the default model answers. */
  readonly readiness: () => Readiness;
  /** What is wrong with a server that answers, one sentence each. */
  readonly warnings: () => readonly string[];
  readonly isShuttingDown: () => boolean;
  readonly metrics: Pick<Metrics, 'contentType' | 'text'>;
}

/** Health checks of the Open Inference Protocol, and metrics for Prometheus. */
export function operationsRoutes({ readiness, warnings, isShuttingDown, metrics }: OperationsDependencies): Route[] {
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
      handle: (_request, response) => {
        if (isShuttingDown()) {
          throw new AppError(
            'shutting_down',
            'The server is shutting down and takes no new requests; use another one.',
          );
        }
        const state = readiness();
        if (!state.ready) throw new AppError('model_unavailable', `The default model does not answer: ${state.reason}`);
        sendJson(response, 200, { ready: true, warnings: warnings() });
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
