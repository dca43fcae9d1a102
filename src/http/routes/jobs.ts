import type { IncomingMessage } from 'node:http';
import type { Request, Response } from 'express';
import { AppError } from '../../common/errors.ts';
import type { JsonObject } from '../../common/json.ts';
import type { FinetuneJobs } from '../../finetuning/finetune-jobs.ts';
import type { TrainingProgress } from '../../finetuning/training-progress.ts';
import { isFinished, type Job, type JobEvent, type JobProgress, type JobRequest } from '../../jobs/job-queue.ts';
import type { QuantizationProgress } from '../../quantizing/quantization-task.ts';
import { clientSignal } from '../client-gone.ts';
import { type StreamedEvent, sendEvents } from '../event-stream.ts';
import type { RequestState } from '../middleware/request-state.ts';
import { sendJson } from '../respond.ts';
import { pathParameter, type Route } from './route.ts';

type Phase = TrainingProgress['phase'] | QuantizationProgress['phase'];

/** Span of each phase in a whole job, 0..1: about its share of the time of a job with default settings. */
const PHASE_SPANS: Readonly<Record<Phase, readonly [from: number, to: number]>> = {
  reading: [0, 0.02],
  inspecting: [0.02, 0.32],
  corrupting: [0.32, 0.41],
  augmenting: [0.41, 0.85],
  searching: [0.85, 0.9],
  training: [0.9, 0.95],
  // Only some jobs have it; it would take most of their time.
  training_last_stage: [0.95, 0.95],
  evaluating: [0.95, 0.98],
  exporting: [0.98, 1],
  // Of a quantization:
  calibrating: [0, 0.3],
  comparing: [0.3, 0.97],
  timing: [0.97, 1],
};

/** A thorough search computes the copies itself, and takes most of the time of its job. */
const THOROUGH_SEARCH = [0.35, 0.9] as const;

/** `/jobs`: state, progress and cancellation of fine-tunes and quantizations. */
export function jobRoutes({ finetuning: { jobs } }: { readonly finetuning: Pick<FinetuneJobs, 'jobs'> }): Route[] {
  return [
    {
      method: 'get',
      path: '/jobs',
      handle: async (_request, response) => sendJson(response, 200, { jobs: (await jobs.list()).map(jobDocument) }),
    },
    {
      method: 'get',
      path: '/jobs/{id}',
      handle: async (request, response) => {
        sendJson(response, 200, jobDocument(await jobs.get(pathParameter(request, 'id'))));
      },
    },
    {
      method: 'delete',
      path: '/jobs/{id}',
      handle: async (request, response) => {
        sendJson(response, 200, jobDocument(await jobs.cancel(pathParameter(request, 'id'))));
      },
    },
    {
      method: 'get',
      path: '/jobs/{id}/events',
      handle: async (request, response) => {
        const after = lastEventId(request);
        const job = await jobs.get(pathParameter(request, 'id'));
        const signal = clientSignal(response);
        const events = jobs.events(job.id, after, signal)[Symbol.asyncIterator]();
        // A browser reconnects when a stream ends, unless the answer is 204.
        const first = after > 0 && isFinished(job.state) ? await events.next() : undefined;
        if (first?.done) {
          response.statusCode = 204;
          response.end();
        } else if (request.method === 'HEAD') response.end();
        else await sendEvents(response, streamedEvents(first?.value, events), signal);
      },
    },
  ];
}

/** The owner of the jobs that a request makes: its key. Those without a key are not told apart. */
export function ownerOf({ locals: { client } }: Response<unknown, RequestState>): Pick<JobRequest, 'owner'> {
  return client?.kind === 'key' ? { owner: client.id } : {};
}

/** `Job` of `openapi.yaml`. */
export function jobDocument(job: Job): JsonObject {
  return {
    id: job.id,
    state: job.state,
    // The last progress of a job may have been reported before its end.
    progress: job.progress && {
      ...progressDocument(job.progress),
      ...(job.state === 'succeeded' && { fraction: 1 }),
    },
    result: job.result,
    failure: job.failure && { ...job.failure },
    attempts: job.attempts,
    cancel_requested: job.cancelRequested,
    priority: job.priority,
    created_at: job.createdAt,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
    options: job.payload,
  };
}

/** `JobStateEvent` or `JobProgressEvent` of `openapi.yaml`. */
function eventDocument({ at, data }: JobEvent): JsonObject {
  if (data.type === 'state') return { at, state: data.state, failure: data.failure && { ...data.failure } };
  return { at, progress: progressDocument(data.progress) };
}

function progressDocument(progress: JobProgress): JsonObject {
  const [from, to] = progress['rung'] === undefined ? phaseSpan(progress.phase) : THOROUGH_SEARCH;
  const { done, total } = progress;
  const share = typeof done === 'number' && typeof total === 'number' && total > 0 ? Math.min(1, done / total) : 0;
  return { fraction: Math.round((from + share * (to - from)) * 1e4) / 1e4, ...progress };
}

/** A job of another version of the server may be in a phase that this one does not know. */
function phaseSpan(phase: string): readonly [number, number] {
  return Object.entries(PHASE_SPANS).find(([known]) => known === phase)?.[1] ?? [0, 0];
}

async function* streamedEvents(
  first: JobEvent | undefined,
  rest: AsyncIterator<JobEvent>,
): AsyncGenerator<StreamedEvent> {
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

/** Id of the last event that the client received. A browser sends it in a header when it reconnects. */
function lastEventId({ headers, query }: IncomingMessage & Pick<Request, 'query'>): number {
  const given = query['last_event_id'] ?? headers['last-event-id'] ?? '0';
  if (typeof given === 'string' && /^\d{1,15}$/.test(given)) return Number(given);
  throw new AppError('invalid_request', `last_event_id must be the id of an event, not "${given}".`, {
    context: { field: 'last_event_id' },
  });
}
