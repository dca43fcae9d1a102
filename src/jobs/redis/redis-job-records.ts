import { createHash, randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { messageOf } from '../../common/errors.ts';
import type { JsonValue } from '../../common/json.ts';
import type { Job, JobEvent, JobFailure, JobReport, JobRequest, JobState } from '../job-queue.ts';
import type { JobQueueLimits } from '../job-queue-limits.ts';
import { type RecordScript, scriptText } from './record-scripts.ts';
import { withRedis } from './redis-connection.ts';
import { eventOf, fieldsOf, hashSchema, jobOf, stateSchema } from './stored-record.ts';

/** Limits that every server and worker of one Redis must share; the last one to be opened sets them. */
export interface SharedLimits {
  readonly maxAttempts: number;
  readonly keepFinished: number;
  readonly maxEvents: number;
}

/** What a worker learns when it reports: whether it still has the job, and whether it is to cancel it. */
type Hold = 'held' | 'cancel' | 'lost';

/** What is read of a job's log at once. */
export interface ReadEvents {
  readonly state: JobState;
  readonly lastId: number;
  readonly events: readonly JobEvent[];
}

/** A job that was just taken. */
export interface ClaimedJob {
  readonly job: Job;
  readonly hasArchive: boolean;
}

/** Random names of unanswered places that are remembered; older ones run out by themselves. */
const MOST_UNANSWERED = 1_000;

type ProgressReport = Extract<JobReport, { readonly type: 'progress' }>;
type PlaceLimits = Pick<JobQueueLimits, 'maxQueued' | 'maxQueuedPerOwner' | 'leaseMs'>;

const placeSchema = z.tuple([z.enum(['reserved', 'full', 'owner full', 'made', 'pending', 'reused']), z.string()]);

/**
 * What became of a request for a place: there may be none, or none for its owner; and for the key of an earlier request
 * `made` when its job is there, `pending` when it is being made, `reused` when that was another request.
 */
interface Place {
  readonly outcome: z.output<typeof placeSchema>[0];
  /** Of the job; empty when the queue is full. */
  readonly id: string;
}

const entrySchema = z.tuple([z.string(), hashSchema]);
const holdSchema = z.enum(['held', 'cancel', 'lost']);

/** The jobs in Redis: what they are, how they ended and what happened to them. Every call is one atomic script. */
export class RedisJobRecords {
  readonly #client: Redis;
  readonly #prefix: string;
  readonly #digests = new Map<RecordScript, string>();
  /** Random names of the places that were asked for without an answer: Redis may have given them nevertheless. */
  readonly #unanswered = new Set<string>();

  constructor(client: Redis, prefix: string) {
    this.#client = client;
    this.#prefix = prefix;
  }

  /** Channel that says which job changed, and how; see `record-scripts.ts`. */
  get channel(): string {
    return `${this.#prefix}:changed`;
  }

  async configure(limits: SharedLimits): Promise<void> {
    await this.#run('configure', ...Object.entries(limits).flat());
  }

  /** Whether there may be places whose holder does not know that it has them. */
  get hasUnanswered(): boolean {
    return this.#unanswered.size > 0;
  }

  /**
   * Takes a place in the queue, which its holder renews well within `leaseMs` until it makes or withdraws the job. After a
   * failure the place may be there all the same, until `freeUnanswered`.
   */
  async reserve(
    { idempotency: { key, fingerprint } = { key: '', fingerprint: '' }, owner = '', archivePath }: JobRequest,
    { maxQueued, maxQueuedPerOwner, leaseMs }: PlaceLimits,
  ): Promise<Place> {
    const random = randomBytes(4).toString('hex');
    const hasArchive = Number(archivePath !== undefined);
    const about = [random, hasArchive, owner, key, fingerprint];
    try {
      const found = await this.#run('reserve', maxQueued, maxQueuedPerOwner, ...about, leaseMs);
      const [outcome, id] = placeSchema.parse(found);
      return { outcome, id };
    } catch (thrown) {
      this.#unanswered.add(random);
      for (const oldest of this.#unanswered) {
        if (this.#unanswered.size <= MOST_UNANSWERED) break;
        this.#unanswered.delete(oldest);
      }
      throw thrown;
    }
  }

  /** Frees the places that calls of `reserve` have got without hearing of it. */
  async freeUnanswered(): Promise<void> {
    const names = [...this.#unanswered];
    await this.#run('freeUnanswered', ...names);
    for (const name of names) this.#unanswered.delete(name);
  }

  async renew(id: string): Promise<void> {
    await this.#run('renew', id);
  }

  /** @returns undefined when the place of `reserve` was given away meanwhile */
  async create(id: string, { payload, priority = 'normal' }: JobRequest): Promise<Job | undefined> {
    const hash = await this.#run('create', id, JSON.stringify(payload), priority);
    return hash === null ? undefined : jobOf(id, hash);
  }

  /** Undoes `reserve` and `create`. @returns whether there is no such job now: nobody has taken it or was told of it */
  async withdraw(id: string): Promise<boolean> {
    return (await this.#run('withdraw', id)) === 1;
  }

  /** @returns `ended` when nobody needs to work on the job; `lapsed` when the lock is gone again */
  async claim(id: string, token: string, lockKey: string): Promise<ClaimedJob | 'ended' | 'lapsed'> {
    const found = await this.#run('claim', id, token, lockKey);
    if (found === null) return 'ended';
    const hash = hashSchema.parse(found);
    return hash.length === 0 ? 'lapsed' : { job: jobOf(id, hash), hasArchive: fieldsOf(hash)['archive'] === '1' };
  }

  async heartbeat(id: string, token: string): Promise<Hold> {
    return holdSchema.parse(await this.#run('progress', id, token, 0, '', 0));
  }

  /** @param number counts the reports of a claim: one that is told again is noted once */
  async progress(id: string, token: string, number: number, { progress, kept = 0 }: ProgressReport): Promise<Hold> {
    return holdSchema.parse(await this.#run('progress', id, token, number, JSON.stringify(progress), kept));
  }

  async succeed(id: string, token: string, result: JsonValue): Promise<'ended' | 'lost'> {
    const outcome = await this.#run('finish', id, token, 'succeeded', 'result', JSON.stringify(result));
    return z.enum(['ended', 'lost']).parse(outcome);
  }

  /** One that was to be cancelled counts as cancelled. */
  async fail(id: string, token: string, failure: JobFailure): Promise<'ended' | 'lost'> {
    const outcome = await this.#run('finish', id, token, 'failed', 'failure', JSON.stringify(failure));
    return z.enum(['ended', 'lost']).parse(outcome);
  }

  /** @returns `uncalled` when nobody asked for it */
  async cancelled(id: string, token: string): Promise<'ended' | 'lost' | 'uncalled'> {
    return z.enum(['ended', 'lost', 'uncalled']).parse(await this.#run('finish', id, token, 'cancelled', '', ''));
  }

  /** @returns the state that the job is in now */
  async abandon(id: string, token: string, reason: string): Promise<JobState | 'lost'> {
    return stateSchema.or(z.literal('lost')).parse(await this.#run('abandon', id, token, reason));
  }

  /** @returns the state that the job is in now */
  async giveBack(id: string, token: string): Promise<JobState | 'lost'> {
    return stateSchema.or(z.literal('lost')).parse(await this.#run('giveBack', id, token));
  }

  /** @returns the state that the job is in now; undefined when nothing was to do */
  async stalled(id: string, lockKey: string): Promise<JobState | undefined> {
    return stateSchema
      .or(z.literal(''))
      .transform((state) => state || undefined)
      .parse(await this.#run('stalled', id, lockKey));
  }

  /** @returns the state that the job was in; `done` if it only waited and is cancelled; undefined when there is none */
  async requestCancel(id: string): Promise<JobState | 'done' | undefined> {
    return (
      stateSchema
        .or(z.literal('done'))
        .nullable()
        .parse(await this.#run('requestCancel', id)) ?? undefined
    );
  }

  async endCancelled(id: string): Promise<void> {
    await this.#run('endCancelled', id);
  }

  /** Who holds the job, and whether it is to be cancelled. */
  async hold(id: string, token: string): Promise<Hold> {
    const [holder, cancel] = z.array(z.string().nullable()).parse(await this.#run('claimState', id));
    if (holder !== token) return 'lost';
    return cancel === '1' ? 'cancel' : 'held';
  }

  async get(id: string): Promise<Job | undefined> {
    const hash = hashSchema.parse(await this.#run('get', id));
    return hash.length === 0 ? undefined : jobOf(id, hash);
  }

  /** Newest first. */
  async list(): Promise<readonly Job[]> {
    return z
      .array(entrySchema)
      .parse(await this.#run('list'))
      .map(([id, hash]) => jobOf(id, hash));
  }

  /** Events after `afterId`; all that are kept where that id was never given out. Undefined when there is no job. */
  async events(id: string, afterId: number): Promise<ReadEvents | undefined> {
    const found = z
      .tuple([stateSchema, z.coerce.number(), z.array(entrySchema)])
      .nullable()
      .parse(await this.#run('events', id, afterId));
    if (found === null) return undefined;
    const [state, lastId, entries] = found;
    return { state, lastId, events: entries.map(eventOf) };
  }

  /** Ids of the jobs that have not ended. Mends the list of them. */
  async unfinished(): Promise<readonly string[]> {
    return hashSchema.parse(await this.#run('unfinished'));
  }

  /** Frees places that were not renewed for `ageMs`. @returns ids whose archives are to be removed */
  async leftovers(ageMs: number): Promise<readonly string[]> {
    return hashSchema.parse(await this.#run('leftovers', ageMs));
  }

  async archiveRemoved(id: string): Promise<void> {
    await this.#run('archiveRemoved', id);
  }

  /** Wakes all who wait for a change of the job, or for a job. */
  async publish(id: string): Promise<void> {
    await withRedis(() => this.#client.publish(this.channel, `${id} state`));
  }

  #run(name: RecordScript, ...values: readonly (string | number)[]): Promise<unknown> {
    return withRedis(async () => {
      const text = scriptText(name);
      const digest = this.#digests.get(name) ?? createHash('sha1').update(text).digest('hex');
      this.#digests.set(name, digest);
      try {
        return await this.#client.evalsha(digest, 1, this.#prefix, ...values);
      } catch (thrown) {
        if (!messageOf(thrown).startsWith('NOSCRIPT')) throw thrown;
        return await this.#client.eval(text, 1, this.#prefix, ...values);
      }
    });
  }
}
