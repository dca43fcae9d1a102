import type { Request } from 'express';
import type { ModelPulls, PullState } from '../../acquire/pull/model-pulls.ts';
import type { JsonObject } from '../../common/json.ts';
import type { Config } from '../../config.ts';
import type { Registry } from '../../registry/registry.ts';
import { clientSignal } from '../client-gone.ts';
import { type StreamedEvent, sendEvents } from '../event-stream.ts';
import { invalidOptions } from '../options.ts';
import { sendJson } from '../respond.ts';
import { pathParameter, type Route } from './route.ts';

interface PullDependencies {
  readonly pulls: Pick<ModelPulls, 'start' | 'get' | 'cancel' | 'events'>;
  readonly registry: Pick<Registry, 'fullName'>;
  readonly config: Pick<Config, 'basePath'>;
}

/** `/models/{id}/pull`: downloads weights of models in the zoo. */
export function pullRoutes({ pulls, registry, config: { basePath } }: PullDependencies): Route[] {
  const modelOf = (request: Request) => registry.fullName(pathParameter(request, 'id'));
  const path = '/models/{id}/pull';
  return [
    {
      method: 'post',
      path,
      handle: async (request, response) => {
        const state = await pulls.start(pathParameter(request, 'id'), backboneOnly(request));
        response.setHeader('Location', `${basePath}/models/${state.model}/pull`);
        sendJson(response, 202, pullDocument(state));
      },
    },
    {
      method: 'get',
      path,
      handle: (request, response) => sendJson(response, 200, pullDocument(pulls.get(modelOf(request)))),
    },
    {
      method: 'delete',
      path,
      handle: async (request, response) => {
        sendJson(response, 200, pullDocument(await pulls.cancel(modelOf(request))));
      },
    },
    {
      method: 'get',
      path: `${path}/events`,
      handle: async (request, response) => {
        const id = modelOf(request);
        const { state, change } = pulls.get(id);
        // A browser reconnects when a stream ends, unless the answer is 204.
        if (state !== 'running' && request.headers['last-event-id'] === String(change)) {
          response.statusCode = 204;
          response.end();
        } else if (request.method === 'HEAD') response.end();
        else {
          const signal = clientSignal(response);
          await sendEvents(response, streamedEvents(pulls.events(id, signal)), signal);
        }
      },
    },
  ];
}

function backboneOnly({ query }: Request): boolean {
  const given = query['backbone_only'] ?? 'false';
  if (given === 'true' || given === 'false') return given === 'true';
  throw invalidOptions([{ field: 'backbone_only', message: `must be true or false, not "${given}"` }]);
}

/** `Pull` of `openapi.yaml`. */
export function pullDocument({ model, state, progress, reason }: PullState): JsonObject {
  return {
    model,
    state,
    phase: progress.phase,
    done_bytes: progress.done ?? null,
    total_bytes: progress.total ?? null,
    reason: reason ?? null,
  };
}

async function* streamedEvents(states: AsyncIterable<PullState>): AsyncGenerator<StreamedEvent> {
  for await (const state of states) yield { id: state.change, event: 'pull', data: pullDocument(state) };
}
