import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import { AppError } from '../../common/errors.ts';
import { isFinished, type JobEvent } from '../../jobs/job-queue.ts';
import { clientSignal } from '../client-signal.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { type StreamedEvent, sendEvents } from '../event-stream.ts';
import { eventDocument, jobDocument } from '../job-document.ts';
import { sendJson } from '../respond.ts';
import type { Route } from './route.ts';

/** What became of the fine-tunes that were asked for. */
export function jobRoutes({ finetuning: { jobs } }: Pick<HttpDependencies, 'finetuning'>): Route[] {
  return [
    {
      method: 'get',
      path: '/jobs',
      handle: async (_request, response) => sendJson(response, 200, { jobs: (await jobs.list()).map(jobDocument) }),
    },
    {
      method: 'get',
      path: '/jobs/{id}',
      handle: async (request, response) => sendJson(response, 200, jobDocument(await jobs.get(idOf(request)))),
    },
    {
      method: 'delete',
      path: '/jobs/{id}',
      handle: async (request, response) => sendJson(response, 200, jobDocument(await jobs.cancel(idOf(request)))),
    },
    {
      method: 'get',
      path: '/jobs/{id}/events',
      handle: async (request, response) => {
        const after = lastEventId(request);
        const job = await jobs.get(idOf(request));
        const signal = clientSignal(response);
        const events = jobs.events(job.id, after, signal)[Symbol.asyncIterator]();
        // A browser asks again when a stream ends: with nothing to come, this answer alone makes it stop.
        const first = after > 0 && isFinished(job.state) ? await events.next() : undefined;
        if (first?.done) {
          response.statusCode = 204;
          response.end();
        } else if (request.method === 'HEAD') response.end();
        else await sendEvents(response, streamed(first?.value, events), signal);
      },
    },
  ];
}

function idOf(request: Request): string {
  return String(request.params['id']);
}

async function* streamed(first: JobEvent | undefined, rest: AsyncIterator<JobEvent>): AsyncGenerator<StreamedEvent> {
  if (first !== undefined) yield streamedEvent(first);
  for (;;) {
    const next = await rest.next();
    if (next.done) return;
    yield streamedEvent(next.value);
  }
}

function streamedEvent(event: JobEvent): StreamedEvent {
  return { id: event.id, event: event.data.type, data: eventDocument(event) };
}

/** The last event that the client has seen; a browser says it in a header when it asks again. */
function lastEventId({ headers, query }: IncomingMessage & Pick<Request, 'query'>): number {
  const given = query['last_event_id'] ?? headers['last-event-id'] ?? '0';
  if (typeof given === 'string' && /^\d{1,15}$/.test(given)) return Number(given);
  throw new AppError('invalid_request', `last_event_id must be the id of an event, not "${given}".`, {
    context: { field: 'last_event_id' },
  });
}
