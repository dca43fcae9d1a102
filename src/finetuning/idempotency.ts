import { createHash } from 'node:crypto';
import { z } from 'zod';
import { digestFile } from '../common/file-digest.ts';
import type { JsonObject, JsonValue } from '../common/json.ts';
import type { Job } from '../jobs/job-queue.ts';

const idempotencySchema = z.object({ key: z.string(), fingerprint: z.string() });

/**
 * The key that a client gave a request, and the fingerprint of that request: a client that lost the answer sends both
 * again and gets the same job (the `Idempotency-Key` header of an IETF draft, draft-ietf-httpapi-idempotency-key-header).
 */
export type Idempotency = z.output<typeof idempotencySchema>;

/** The member of a job's payload beside the options. */
const MEMBER = 'idempotency';

/** The payload of a job that keeps the key as long as the job is kept. */
export function payloadWith(options: JsonObject, idempotency: Idempotency): JsonObject {
  return { ...options, [MEMBER]: { ...idempotency } };
}

/** What a job was asked to do, without the key of the request. */
export function optionsIn(payload: JsonValue): JsonValue {
  if (payload === null || typeof payload !== 'object' || Array.isArray(payload)) return payload;
  const { [MEMBER]: _, ...options } = payload as JsonObject;
  return options;
}

/** The key of the request that made a job; undefined when it had none. */
export function idempotencyOf({ payload }: Pick<Job, 'payload'>): Idempotency | undefined {
  const parsed = z.object({ [MEMBER]: idempotencySchema }).safeParse(payload);
  return parsed.success ? parsed.data[MEMBER] : undefined;
}

/** SHA-256 over the options, in any order, and the file. */
export async function fingerprintOf(options: JsonObject, archivePath: string): Promise<string> {
  const { sha256 } = await digestFile(archivePath);
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([sorted, sha256]))
    .digest('hex');
}
