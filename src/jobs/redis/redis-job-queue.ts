import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import type { DependencyState } from '../../metrics/metrics.ts';
import { ChangeNotifier } from '../change-notifier.ts';
import { alreadyFinished, jobNotFound, queueClosed } from '../job-errors.ts';
import {
  type Claim,
  isFinished,
  type Job,
  type JobEvent,
  type JobQueue,
  type JobReport,
  type JobRequest,
} from '../job-queue.ts';
import { DEFAULT_LIMITS, type JobQueueLimits } from '../job-queue-limits.ts';
import type { JobArchives } from './job-archives.ts';
import { JobDelivery } from './job-delivery.ts';
import { RedisClaims } from './redis-claims.ts';
import { connectToRedis, type RedisConnection } from './redis-connection.ts';
import { RedisIntake } from './redis-intake.ts';
import { followEvents } from './redis-job-events.ts';
import { RedisJobRecords } from './redis-job-records.ts';
import { inBackground, type RedisParts, removeArchive } from './redis-parts.ts';
import { RedisPulse } from './redis-pulse.ts';
import { RedisUpkeep } from './redis-upkeep.ts';

/** The braces keep all keys on one node of a cluster. */
const DEFAULT_PREFIX = '{menagerie}';
/** How often those who wait look again, in case a message was lost. */
const LOOK_AGAIN_MS = 1_000;

/** What a queue on Redis needs. */
export interface RedisJobQueueOptions {
  /** See `connectToRedis`. */
  readonly url: string;
  readonly archives: JobArchives;
  readonly logger: Logger;
  /** The same on all machines. */
  readonly limits?: Partial<JobQueueLimits>;
  /** Names the queue among others in the same Redis. It has braces, as `{menagerie}`. */
  readonly prefix?: string;
  /** Milliseconds after which a Redis that does not answer counts as away. */
  readonly commandTimeoutMs?: number;
  /** Called once the queue is closed. */
  readonly onClosed?: () => Promise<void>;
}

/**
 * The job queue of many machines, on Redis.
 *
 * BullMQ delivers: it holds the order of those that wait, the locks of those that are worked on, and finds the ones whose
 * lock ran out. What it delivers is an id. The job itself, its log, the token of the claim and the count of attempts are
 * ours, beside it, each change one atomic script: BullMQ counts every stall as an attempt, numbers its events for all jobs
 * together, and ends a job only with the lock in hand. The record decides, so a crash between the two only means that an
 * id is delivered once more, or is added again by `RedisUpkeep`; a job that has ended is then dropped.
 *
 * A job is durable as far as Redis is: with `appendonly yes` and `appendfsync always`, what was acknowledged survives the
 * death of Redis. With its default, `everysec`, Redis holds back writes for up to two seconds while the disk is slow.
 */
export class RedisJobQueue implements JobQueue {
  readonly #connection: RedisConnection;
  readonly #parts: RedisParts;
  readonly #intake: RedisIntake;
  readonly #claims: RedisClaims;
  readonly #upkeep: RedisUpkeep;
  readonly #pulse: RedisPulse;
  readonly #closing = new AbortController();
  readonly #lookingAgain: NodeJS.Timeout;
  readonly #onClosed: () => Promise<void>;

  private constructor(
    connection: RedisConnection,
    { archives, logger, limits: given, prefix = DEFAULT_PREFIX, onClosed }: RedisJobQueueOptions,
  ) {
    const limits = { ...DEFAULT_LIMITS, ...given };
    const changed = new ChangeNotifier();
    this.#connection = connection;
    this.#onClosed = onClosed ?? (async () => {});
    this.#parts = {
      client: connection.client,
      records: new RedisJobRecords(connection.client, prefix),
      delivery: new JobDelivery(connection, prefix, limits.leaseMs, logger),
      archives,
      changed,
      limits,
      logger,
      closed: this.#closing.signal,
    };
    this.#intake = new RedisIntake(this.#parts);
    this.#claims = new RedisClaims(this.#parts);
    this.#upkeep = new RedisUpkeep(this.#parts);
    this.#pulse = new RedisPulse(() => connection.client.ping());
    this.#lookingAgain = setInterval(() => changed.fire(), LOOK_AGAIN_MS).unref();
  }

  /** @throws Error when packages are missing or Redis does not answer */
  static async open(options: RedisJobQueueOptions): Promise<RedisJobQueue> {
    const connection = await connectToRedis(options.url, options.logger, options.commandTimeoutMs);
    const queue = new RedisJobQueue(connection, options);
    try {
      await queue.#start();
    } catch (thrown) {
      await queue.close();
      throw thrown;
    }
    return queue;
  }

  async #start(): Promise<void> {
    const { records, changed, limits } = this.#parts;
    const { maxAttempts, keepFinished, maxEvents } = limits;
    await records.configure({ maxAttempts, keepFinished, maxEvents });
    const { subscriber } = this.#connection;
    subscriber.on('message', (_channel: string, message: string) => this.#onMessage(message));
    // What was missed while Redis was away.
    subscriber.on('ready', () => {
      changed.fire();
      inBackground(this.#parts, this.#subscribe());
    });
    await this.#subscribe();
    await this.#upkeep.start();
  }

  async #subscribe(): Promise<void> {
    await this.#connection.subscriber.subscribe(this.#parts.records.channel);
  }

  #onMessage(message: string): void {
    this.#parts.changed.fire();
    const [id = '', what] = message.split(' ');
    if (what !== 'progress') this.#claims.noteChange(id);
  }

  async enqueue(request: JobRequest): Promise<Job> {
    this.#refuseWhenClosed();
    return this.#intake.enqueue(request);
  }

  claim(signal?: AbortSignal): Promise<Claim | undefined> {
    return this.#claims.claim(signal);
  }

  report(claim: Claim, report: JobReport): Promise<void> {
    return this.#claims.report(claim, report);
  }

  async cancel(id: string): Promise<Job> {
    this.#refuseWhenClosed();
    const { records, changed, limits } = this.#parts;
    const state = await records.requestCancel(id);
    if (state === undefined) throw jobNotFound(id);
    if (state === 'done') return this.#cancelled(id);
    if (isFinished(state)) throw alreadyFinished(await this.get(id));
    const deadline = AbortSignal.timeout(limits.cancelGraceMs);
    let seen = changed.count;
    for (let job = await this.get(id); !isFinished(job.state); job = await this.get(id)) {
      if (deadline.aborted) await records.endCancelled(id);
      else await changed.after(seen, deadline);
      seen = changed.count;
    }
    return this.#cancelled(id);
  }

  async #cancelled(id: string): Promise<Job> {
    const job = await this.get(id);
    if (job.state !== 'cancelled') throw alreadyFinished(job);
    // The worker does that too, but may not have come to it yet.
    await removeArchive(this.#parts, id);
    await this.#parts.delivery.remove(id);
    return job;
  }

  async get(id: string): Promise<Job> {
    const job = await this.#parts.records.get(id);
    if (job === undefined) throw jobNotFound(id);
    return job;
  }

  get warnings(): readonly string[] {
    return this.#upkeep.warnings;
  }

  get dependencies(): readonly DependencyState[] {
    return [{ dependency: 'redis', isUp: this.#pulse.problem === undefined }];
  }

  list(): Promise<readonly Job[]> {
    return this.#parts.records.list();
  }

  events(id: string, afterId = 0, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    return followEvents(this.#parts, id, afterId, signal);
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    clearInterval(this.#lookingAgain);
    this.#upkeep.stop();
    this.#pulse.close();
    this.#parts.changed.fire();
    await this.#claims.giveBackAll();
    try {
      await this.#parts.delivery.close();
    } catch (thrown) {
      this.#parts.logger.warn({ reason: messageOf(thrown) }, 'the job queue could not be closed in order');
    }
    this.#connection.close();
    await this.#onClosed();
  }

  #refuseWhenClosed(): void {
    if (this.#closing.signal.aborted) throw queueClosed();
  }
}
