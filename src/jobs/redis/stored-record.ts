import { z } from 'zod';
import type { JsonValue } from '../../common/json.ts';
import { JOB_PRIORITIES, JOB_STATES, type Job, type JobEvent } from '../job-queue.ts';

/** What Redis sends of a hash: names and values in turn. */
export const hashSchema = z.array(z.string());
export const stateSchema = z.enum(JOB_STATES);

/** The fields of a hash, as Redis sends one: names and values in turn. */
export function fieldsOf(hash: readonly string[]): Record<string, string> {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < hash.length; at += 2) pairs.push([String(hash[at]), String(hash[at + 1])]);
  return Object.fromEntries(pairs);
}

const failureSchema = z.object({ code: z.string(), message: z.string() });
const progressSchema = z.object({ phase: z.string() }).catchall(z.json());

/** The job of a record. @throws when it is not one of ours */
export function jobOf(id: string, hash: unknown): Job {
  const fields = fieldsOf(hashSchema.parse(hash));
  return {
    id,
    state: stateSchema.parse(fields['state']),
    payload: jsonOf(fields['payload']),
    attempts: Number(fields['attempts']),
    kept: Number(fields['kept']),
    cancelRequested: fields['cancel'] === '1',
    createdAt: timeOf(fields['createdAt']) ?? '',
    startedAt: timeOf(fields['startedAt']),
    finishedAt: timeOf(fields['finishedAt']),
    progress: progressSchema.nullable().parse(jsonOf(fields['progress'])),
    result: jsonOf(fields['result']),
    failure: failureSchema.nullable().parse(jsonOf(fields['failure'])),
    idempotency: fields['key'] === undefined ? null : { key: fields['key'], fingerprint: fields['fingerprint'] ?? '' },
    priority: z.enum(JOB_PRIORITIES).default('normal').parse(fields['priority']),
    owner: fields['owner'] ?? null,
    turn: Number(fields['turn'] ?? 0),
  };
}

/** An entry of a job's stream. @throws when it is not one of ours */
export function eventOf([streamId, hash]: readonly [string, readonly string[]]): JobEvent {
  const fields = fieldsOf(hash);
  const event = { id: Number.parseInt(streamId, 10), at: timeOf(fields['at']) ?? '' };
  if (fields['type'] === 'state') {
    const failure = failureSchema.nullable().parse(jsonOf(fields['failure']));
    return { ...event, data: { type: 'state', state: stateSchema.parse(fields['state']), failure } };
  }
  const progress = progressSchema.parse(jsonOf(fields['progress']));
  return { ...event, data: { type: 'progress', progress, kept: Number(fields['kept']) } };
}

function jsonOf(text: string | undefined): JsonValue {
  return z.json().parse(JSON.parse(text ?? 'null'));
}

function timeOf(milliseconds: string | undefined): string | null {
  return milliseconds === undefined ? null : new Date(Number(milliseconds)).toISOString();
}
