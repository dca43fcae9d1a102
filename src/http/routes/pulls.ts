import type { Request } from 'express';
import type { PullState } from '../../acquire/pull/model-pulls.ts';
import { AppError } from '../../common/errors.ts';
import type { JsonObject } from '../../common/json.ts';
import { clientSignal } from '../client-signal.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { type StreamedEvent, sendEvents } from '../event-stream.ts';
import { sendJson } from '../respond.ts';
import type { Route } from './route.ts';

/** Getting models of the zoo while the server runs: those that its manifests pin, and no others. */
export function pullRoutes({ pulls }: Pick<HttpDependencies, 'pulls'>): Route[] {
  const path = '/models/{id}/pull';
  return [
    {
      method: 'post',
      path,
      handle: async (request, response) => {
        const id = idOf(request);
        const state = await pulls.start(id, backboneOnly(request));
        response.setHeader('Location', `/models/${id}/pull`);
        sendJson(response, 202, pullDocument(state));
      },
    },
    {
      method: 'get',
      path,
      handle: (request, response) => sendJson(response, 200, pullDocument(pulls.get(idOf(request)))),
    },
    {
      method: 'delete',
      path,
      handle: async (request, response) => sendJson(response, 200, pullDocument(await pulls.cancel(idOf(request)))),
    },
    {
      method: 'get',
      path: `${path}/events`,
      handle: async (request, response) => {
        const id = idOf(request);
        const { state, change } = pulls.get(id);
        // A browser asks again when a stream ends: with nothing to come, this answer alone makes it stop.
        if (state !== 'running' && request.headers['last-event-id'] === String(change)) {
          response.statusCode = 204;
          response.end();
        } else if (request.method === 'HEAD') response.end();
        else await sendEvents(response, streamed(pulls.events(id, clientSignal(response))), clientSignal(response));
      },
    },
  ];
}

function idOf(request: Request): string {
  return String(request.params['id']);
}

function backboneOnly({ query }: Request): boolean {
  const given = query['backbone_only'] ?? 'false';
  if (given === 'true' || given === 'false') return given === 'true';
  throw new AppError('invalid_request', `backbone_only must be true or false, not "${given}".`, {
    context: { field: 'backbone_only' },
  });
}

function pullDocument({ model, state, progress, reason }: PullState): JsonObject {
  return {
    model,
    state,
    phase: progress.phase,
    done_bytes: progress.done ?? null,
    total_bytes: progress.total ?? null,
    reason: reason ?? null,
  };
}

async function* streamed(states: AsyncIterable<PullState>): AsyncGenerator<StreamedEvent> {
  for await (const state of states) yield { id: state.change, event: 'pull', data: pullDocument(state) };
}
