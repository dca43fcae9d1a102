import { z } from 'zod';
import { checkedJson, parseCheckedJson } from '../common/checked-json.ts';
import type { StoredJob } from './job-journal.ts';
import { JOB_PRIORITIES, JOB_STATES, type JobEvent } from './job-queue.ts';

/**
 * Ids of embedded queues: milliseconds since 1970 in hex, then a random part. Only such ids become names of folders.
 */
export const JOB_ID = /^[0-9a-f]{12}-[0-9a-f]{8}$/;

const progressSchema = z.object({ phase: z.string() }).catchall(z.json());
const failureSchema = z.object({ code: z.string(), message: z.string() });
const stateSchema = z.enum(JOB_STATES);

/** `job.json` on disk, as `checkedJson`. */
const jobFileSchema = z.object({
  schema: z.literal(1),
  id: z.string().regex(JOB_ID),
  state: stateSchema,
  payload: z.json(),
  attempts: z.number().int().nonnegative(),
  kept: z.number().nonnegative().default(0),
  cancel_requested: z.boolean(),
  created_at: z.string(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
  progress: progressSchema.nullable(),
  result: z.json(),
  failure: failureSchema.nullable(),
  idempotency: z.object({ key: z.string(), fingerprint: z.string() }).nullable().default(null),
  priority: z.enum(JOB_PRIORITIES).default('normal'),
  owner: z.string().nullable().default(null),
  turn: z.number().int().nonnegative().default(0),
  state_event_id: z.number().int().nonnegative(),
});

/** A line of `events.jsonl` on disk. */
const eventSchema = z.object({
  id: z.number().int().positive(),
  at: z.string(),
  data: z.discriminatedUnion('type', [
    z.object({ type: z.literal('state'), state: stateSchema, failure: failureSchema.nullable() }),
    z.object({ type: z.literal('progress'), progress: progressSchema, kept: z.number().default(0) }),
  ]),
});

/** The text of `job.json`. */
export function formatJob({ job, stateEventId }: StoredJob): string {
  const file: z.input<typeof jobFileSchema> = {
    schema: 1,
    id: job.id,
    state: job.state,
    payload: z.json().parse(job.payload),
    attempts: job.attempts,
    kept: job.kept,
    cancel_requested: job.cancelRequested,
    created_at: job.createdAt,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
    progress: progressSchema.nullable().parse(job.progress),
    result: z.json().parse(job.result),
    failure: job.failure,
    idempotency: job.idempotency,
    priority: job.priority,
    owner: job.owner,
    turn: job.turn,
    state_event_id: stateEventId,
  };
  return checkedJson(file);
}

/** Parses `job.json`. @throws when the text is not one, or damaged */
export function parseJob(text: string): StoredJob {
  const file = parseJobFile(text);
  return {
    job: {
      id: file.id,
      state: file.state,
      payload: file.payload,
      attempts: file.attempts,
      kept: file.kept,
      cancelRequested: file.cancel_requested,
      createdAt: file.created_at,
      startedAt: file.started_at,
      finishedAt: file.finished_at,
      progress: file.progress,
      result: file.result,
      failure: file.failure,
      idempotency: file.idempotency,
      priority: file.priority,
      owner: file.owner,
      turn: file.turn,
    },
    stateEventId: file.state_event_id,
  };
}

function parseJobFile(text: string): z.output<typeof jobFileSchema> {
  // Earlier releases wrote the record without a SHA-256.
  const unchecked = jobFileSchema.safeParse(JSON.parse(text));
  return unchecked.success ? unchecked.data : parseCheckedJson(text, jobFileSchema);
}

/**
 * An event as a line of `events.jsonl`. The line break comes first: a line that a crash or a full disk has cut short
 * then never swallows the next one.
 */
export function formatEvent(event: JobEvent): string {
  return `\n${JSON.stringify(event)}`;
}

/** Reads `events.jsonl`; lines that cannot be read are left out and counted. */
export function parseEvents(text: string): { events: readonly JobEvent[]; unreadable: number } {
  const events: JobEvent[] = [];
  let unreadable = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const event = parseEvent(line);
    // Ids must rise, since readers continue from the last one they saw.
    if (event !== undefined && event.id > (events.at(-1)?.id ?? 0)) events.push(event);
    else unreadable += 1;
  }
  return { events, unreadable };
}

function parseEvent(line: string): JobEvent | undefined {
  try {
    return eventSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
