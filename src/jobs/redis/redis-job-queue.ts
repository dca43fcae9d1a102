import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { Mutex } from '../../common/mutex.ts';
import { ChangeNotifier } from '../change-notifier.ts';
import {
  type Claim,
  ClaimLostError,
  isFinished,
  type Job,
  type JobEvent,
  type JobQueue,
  type JobReport,
  type JobRequest,
} from '../job-queue.ts';
import { DEFAULT_LIMITS, type JobQueueLimits, QUEUE_FULL_RETRY_SECONDS } from '../job-queue-limits.ts';
import type { JobArchives } from './job-archives.ts';
import { type Delivered, JobDelivery } from './job-delivery.ts';
import { connectToRedis, type RedisConnection } from './redis-connection.ts';
import { type ReadEvents, RedisJobRecords } from './redis-job-records.ts';
import { RedisLease } from './redis-lease.ts';

/** The braces keep all keys on one node of a cluster. */
const DEFAULT_PREFIX = '{menagerie}';
/** How often those who wait look again, in case a message was lost. */
const LOOK_AGAIN_MS = 1_000;
/** Milliseconds before a report is tried again that Redis has not taken. */
const REPORT_AGAIN_MS = 500;
const REPAIR_INTERVAL_MS = 60_000;
/** After this a place in the queue without a job belongs to nobody: the longest that an archive takes to be put. */
const ABANDONED_PLACE_MS = 600_000;

/** Reports after which the worker still has the job. */
const GOES_ON: ReadonlySet<JobReport['type']> = new Set(['heartbeat', 'progress']);

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
 * id is delivered once more, or is added again by `repair`; a job that has ended is then dropped.
 *
 * A job is durable as far as Redis is: with `appendonly yes` and `appendfsync always`, what was acknowledged survives the
 * death of Redis. With its default, `everysec`, Redis holds back writes for up to two seconds while the disk is slow.
 */
export class RedisJobQueue implements JobQueue {
  readonly #connection: RedisConnection;
  readonly #records: RedisJobRecords;
  readonly #delivery: JobDelivery;
  readonly #archives: JobArchives;
  readonly #logger: Logger;
  readonly #limits: JobQueueLimits;
  readonly #leases = new Map<string, RedisLease>();
  /** Fires when any job may have changed, once a second, and when the queue closes. */
  readonly #changed = new ChangeNotifier();
  /** Claims are made one at a time, so that the first to wait gets the first job. */
  readonly #claiming = new Mutex();
  readonly #timers: readonly NodeJS.Timeout[];
  readonly #onClosed: () => Promise<void>;
  #closed = false;

  private constructor(
    connection: RedisConnection,
    { archives, logger, limits, prefix, onClosed }: RedisJobQueueOptions,
  ) {
    this.#connection = connection;
    this.#archives = archives;
    this.#logger = logger;
    this.#onClosed = onClosed ?? (async () => {});
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    const keys = prefix ?? DEFAULT_PREFIX;
    this.#records = new RedisJobRecords(connection.client, keys);
    this.#delivery = new JobDelivery(connection, keys, this.#limits.leaseMs, logger, (id) => this.#onStalled(id));
    this.#timers = [
      setInterval(() => this.#changed.fire(), LOOK_AGAIN_MS).unref(),
      setInterval(() => this.#inBackground(this.#repair()), REPAIR_INTERVAL_MS).unref(),
    ];
  }

  /** @throws Error when packages are missing or Redis does not answer */
  static async open(options: RedisJobQueueOptions): Promise<RedisJobQueue> {
    const connection = await connectToRedis(options.url, options.logger);
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
    const { maxAttempts, keepFinished, maxEvents } = this.#limits;
    await this.#records.configure({ maxAttempts, keepFinished, maxEvents });
    const { subscriber } = this.#connection;
    subscriber.on('message', (_channel: string, message: string) => this.#onMessage(message));
    // What was missed while Redis was away.
    subscriber.on('ready', () => {
      this.#changed.fire();
      this.#inBackground(this.#subscribe());
    });
    await this.#subscribe();
    await this.#repair();
    await this.#delivery.start();
  }

  async #subscribe(): Promise<void> {
    await this.#connection.subscriber.subscribe(this.#records.channel);
  }

  async enqueue({ payload, archivePath }: JobRequest): Promise<Job> {
    this.#refuseWhenClosed();
    const hasArchive = archivePath !== undefined;
    const { maxQueued } = this.#limits;
    const id = await this.#records.reserve(maxQueued, hasArchive);
    if (id === undefined) {
      throw new AppError(
        'job_queue_full',
        `${maxQueued} jobs are queued, which is the limit: send it again when some have ended`,
        { retryAfter: QUEUE_FULL_RETRY_SECONDS, context: { limit: maxQueued } },
      );
    }
    try {
      if (hasArchive) await this.#archives.put(id, archivePath);
      const job = await this.#records.create(id, payload, hasArchive);
      if (job === undefined)
        throw new AppError('storage_unavailable', 'storing the archive took too long: send it again');
      await this.#delivery.add(id);
      await this.#records.publish(id);
      return job;
    } catch (thrown) {
      this.#inBackground(this.#withdraw(id));
      throw thrown;
    }
  }

  /** Takes back what was not acknowledged, as soon as Redis can be asked. A job that a worker has by then is done. */
  async #withdraw(id: string): Promise<void> {
    for (;;) {
      const seen = this.#changed.count;
      try {
        if (!(await this.#records.withdraw(id))) return;
        break;
      } catch (thrown) {
        if (this.#closed) throw thrown;
        await this.#changed.after(seen);
      }
    }
    await this.#delivery.remove(id);
    await this.#removeArchive(id);
  }

  async claim(signal?: AbortSignal): Promise<Claim | undefined> {
    for (;;) {
      const seen = this.#changed.count;
      const claim = await this.#claiming.run(async () =>
        this.#closed || signal?.aborted ? undefined : this.#claimNext(),
      );
      if (claim !== undefined || this.#closed || signal?.aborted) return claim;
      await this.#changed.after(seen, signal);
    }
  }

  async #claimNext(): Promise<Claim | undefined> {
    for (;;) {
      const token = randomUUID();
      const delivered = await this.#delivery.take(token);
      if (delivered === undefined) return undefined;
      const { id } = delivered;
      const lease = new RedisLease(token, delivered, this.#limits.leaseMs);
      const claimed = await this.#records.claim(id, token, this.#delivery.lockKey(id));
      if (typeof claimed === 'string') {
        lease.end();
        if (claimed === 'ended') await this.#drop(delivered, token);
        continue;
      }
      this.#leases.get(id)?.lose('its lease ran out');
      this.#leases.set(id, lease);
      const { job, hasArchive } = claimed;
      return {
        job,
        token,
        signal: lease.signal,
        archivePath: async () => (hasArchive ? this.#archives.fetch(id) : undefined),
      };
    }
  }

  async report(claim: Claim, report: JobReport): Promise<void> {
    const lease = this.#leases.get(claim.job.id);
    if (lease?.token !== claim.token || !lease.isHeld) {
      throw new ClaimLostError('the job has ended or was given to another');
    }
    if (!GOES_ON.has(report.type)) lease.isEnding = true;
    const outcome = await this.#persistently(lease, () => this.#store(claim.job.id, lease, report));
    switch (outcome) {
      case 'uncalled':
        throw new Error(`nobody asked to cancel job ${claim.job.id}`);
      case 'lost':
        this.#release(claim.job.id, lease, 'the job has ended or was given to another');
        await this.#drop(lease.delivered, lease.token);
        throw new ClaimLostError('the job has ended or was given to another');
      case 'ended':
        this.#release(claim.job.id, lease);
        await this.#removeArchive(claim.job.id);
        return this.#drop(lease.delivered, lease.token);
      case 'held':
      case 'cancel':
        lease.renew();
        if (outcome === 'cancel') lease.askToCancel();
        return this.#delivery.renew(lease.delivered, lease.token);
      default:
        this.#release(claim.job.id, lease, report.type === 'abandoned' ? report.reason : outcome);
        return this.#handOn(outcome, lease);
    }
  }

  #store(id: string, { token }: RedisLease, report: JobReport) {
    switch (report.type) {
      case 'heartbeat':
        return this.#records.heartbeat(id, token);
      case 'progress':
        return this.#records.progress(id, token, report.progress, report.kept ?? 0);
      case 'succeeded':
        return this.#records.succeed(id, token, report.result);
      case 'failed':
        return this.#records.fail(id, token, report.failure);
      case 'abandoned':
        return this.#records.abandon(id, token, report.reason);
      case 'cancelled':
        return this.#records.cancelled(id, token);
    }
  }

  /** Tries again while Redis is away and the claim lasts. */
  async #persistently<T>(lease: RedisLease, store: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await store();
      } catch (thrown) {
        if (!(thrown instanceof AppError) || thrown.code !== 'storage_unavailable') throw thrown;
        if (this.#closed || !lease.isHeld) throw new ClaimLostError(messageOf(thrown));
      }
      await delay(REPORT_AGAIN_MS);
    }
  }

  async cancel(id: string): Promise<Job> {
    this.#refuseWhenClosed();
    const state = await this.#records.requestCancel(id);
    if (state === undefined) throw notFound(id);
    if (state === 'done') return this.#cancelled(id);
    if (isFinished(state)) throw alreadyFinished(await this.get(id));
    const deadline = AbortSignal.timeout(this.#limits.cancelGraceMs);
    let seen = this.#changed.count;
    for (let job = await this.get(id); !isFinished(job.state); job = await this.get(id)) {
      if (deadline.aborted) await this.#records.endCancelled(id);
      else await this.#changed.after(seen, deadline);
      seen = this.#changed.count;
    }
    return this.#cancelled(id);
  }

  async #cancelled(id: string): Promise<Job> {
    const job = await this.get(id);
    if (job.state !== 'cancelled') throw alreadyFinished(job);
    // The worker does that too, but may not have come to it yet.
    await this.#removeArchive(id);
    await this.#delivery.remove(id);
    return job;
  }

  async get(id: string): Promise<Job> {
    const job = await this.#records.get(id);
    if (job === undefined) throw notFound(id);
    return job;
  }

  list(): Promise<readonly Job[]> {
    return this.#records.list();
  }

  async *events(id: string, afterId = 0, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    let last = afterId;
    let isKnown = false;
    while (!this.#closed && !signal?.aborted) {
      const seen = this.#changed.count;
      const read = await this.#readEvents(id, last, isKnown);
      if (read === undefined) {
        if (!isKnown) throw notFound(id);
        return;
      }
      if (read !== 'away') {
        isKnown = true;
        if (last > read.lastId) last = 0;
        for (const event of read.events) {
          if (signal?.aborted) return;
          last = event.id;
          yield event;
        }
        if (isFinished(read.state)) return;
      }
      await this.#changed.after(seen, signal);
    }
  }

  /** @returns `away` when a reader that has begun waits for Redis to come back */
  async #readEvents(id: string, after: number, isKnown: boolean): Promise<ReadEvents | 'away' | undefined> {
    try {
      return await this.#records.events(id, after);
    } catch (thrown) {
      if (isKnown && thrown instanceof AppError && thrown.code === 'storage_unavailable') return 'away';
      throw thrown;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#changed.fire();
    await this.#claiming.run(async () => {
      await Promise.all([...this.#leases].map(([id, lease]) => this.#giveBack(id, lease)));
    });
    try {
      await this.#delivery.close();
    } catch (thrown) {
      this.#logger.warn({ reason: messageOf(thrown) }, 'the job queue could not be closed in order');
    }
    this.#connection.close();
    await this.#onClosed();
  }

  /** Queues a running job again because the queue closes. Where Redis is away, its lock runs out by itself. */
  async #giveBack(id: string, lease: RedisLease): Promise<void> {
    if (!lease.isHeld) return;
    lease.lose('the queue closed');
    try {
      const state = await this.#records.giveBack(id, lease.token);
      if (state !== 'lost') await this.#handOn(state, lease);
    } catch (thrown) {
      this.#logger.warn({ job: id, reason: messageOf(thrown) }, 'a job could not be given back');
    }
  }

  /** Lets BullMQ know what has become of a job whose worker was lost. */
  async #handOn(state: Job['state'], { delivered, token }: RedisLease): Promise<void> {
    this.#logger.warn({ job: delivered.id, state }, 'a job lost its worker');
    if (state !== 'queued') {
      await this.#removeArchive(delivered.id);
      return this.#drop(delivered, token);
    }
    await this.#delivery.giveBack(delivered, token);
    await this.#records.publish(delivered.id);
  }

  #drop(delivered: Delivered, token: string): Promise<void> {
    return this.#delivery.done(delivered, token);
  }

  #release(id: string, lease: RedisLease, lost?: string): void {
    if (this.#leases.get(id) === lease) this.#leases.delete(id);
    if (lost === undefined) lease.end();
    else lease.lose(lost);
  }

  /** What cannot be removed now is removed by `repair`. */
  async #removeArchive(id: string): Promise<void> {
    try {
      await this.#archives.remove(id);
      await this.#records.archiveRemoved(id);
    } catch (thrown) {
      this.#logger.warn({ job: id, reason: messageOf(thrown) }, 'the archive of a job could not be removed yet');
    }
  }

  #onMessage(message: string): void {
    this.#changed.fire();
    const [id = '', what] = message.split(' ');
    const lease = this.#leases.get(id);
    if (lease === undefined || what === 'progress') return;
    this.#inBackground(this.#checkHold(id, lease));
  }

  async #checkHold(id: string, lease: RedisLease): Promise<void> {
    const hold = await this.#records.hold(id, lease.token);
    if (hold === 'cancel') lease.askToCancel();
    if (hold === 'lost' && this.#leases.get(id) === lease && !lease.isEnding) {
      this.#release(id, lease, 'the job has ended or was given to another');
      await this.#drop(lease.delivered, lease.token);
    }
  }

  #onStalled(id: string): void {
    this.#inBackground(this.#workerLost(id));
  }

  async #workerLost(id: string): Promise<void> {
    const state = await this.#records.stalled(id, this.#delivery.lockKey(id));
    this.#logger.warn({ job: id, state }, 'a job lost its worker');
    if (state !== undefined && isFinished(state)) {
      await this.#removeArchive(id);
      await this.#delivery.remove(id);
    } else await this.#records.publish(id);
  }

  /** Makes good what a crash has left between the records, BullMQ and the archives. */
  async #repair(): Promise<void> {
    for (const id of await this.#records.unfinished()) {
      if (await this.#delivery.has(id)) continue;
      await this.#records.stalled(id, this.#delivery.lockKey(id));
      await this.#delivery.add(id);
    }
    for (const id of await this.#records.leftovers(ABANDONED_PLACE_MS)) await this.#removeArchive(id);
  }

  #inBackground(work: Promise<void>): void {
    work.catch((thrown: unknown) => {
      if (!this.#closed)
        this.#logger.warn({ reason: messageOf(thrown) }, 'jobs on Redis could not be put in order yet');
    });
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new AppError('shutting_down', 'the job queue is closed');
  }
}

function notFound(id: string): AppError {
  return new AppError('job_not_found', `there is no job ${JSON.stringify(id)}, or it was removed`);
}

function alreadyFinished({ id, state }: Job): AppError {
  return new AppError(
    'job_finished',
    `job ${id} has ended as ${state}: only a job that is queued or running can be cancelled`,
  );
}
