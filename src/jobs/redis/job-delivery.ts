import type { Job as BullJob, Queue, Worker } from 'bullmq';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { JOB_PRIORITIES, type Job } from '../job-queue.ts';
import { type RedisConnection, withRedis } from './redis-connection.ts';

/** Name of BullMQ's queue. */
const QUEUE = 'jobs';
const JOB_NAME = 'job';
/** Events that BullMQ keeps for its own tools; nobody here reads them. */
const KEPT_BULLMQ_EVENTS = 100;
/** Ranks of each priority. BullMQ has 2^21, of which 0 is none. */
const TURNS = 2 ** 21 / JOB_PRIORITIES.length;
const MIN_STALLED_MS = 20;
const MAX_STALLED_MS = 15_000;

/** A job that was delivered to a worker, by its id. */
export type Delivered = Pick<BullJob, 'id'> & { readonly id: string };

/**
 * Delivery of job ids by BullMQ: who waits, in the order that it is told, who holds the lock, whose lock ran out. It
 * delivers each id at least once, until `done`; what a job is and how it ended is not in here.
 */
export class JobDelivery {
  readonly #queue: Queue;
  readonly #worker: Worker;
  readonly #logger: Logger;
  readonly #leaseMs: number;
  readonly #delivered = new WeakMap<Delivered, BullJob>();

  constructor({ bullmq, client }: RedisConnection, prefix: string, leaseMs: number, logger: Logger) {
    const shared = { connection: client, prefix };
    this.#logger = logger;
    this.#leaseMs = leaseMs;
    this.#queue = new bullmq.Queue(QUEUE, { ...shared, streams: { events: { maxLen: KEPT_BULLMQ_EVENTS } } });
    this.#worker = new bullmq.Worker(QUEUE, null, {
      ...shared,
      autorun: false,
      lockDuration: leaseMs,
      stalledInterval: Math.min(Math.max(leaseMs / 2, MIN_STALLED_MS), MAX_STALLED_MS),
      // How often a job may lose its worker is decided elsewhere: BullMQ does not know what was kept of it.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    });
    // The connection's loss is logged where it is made.
    this.#queue.on('error', () => undefined);
    this.#worker.on('error', () => undefined);
  }

  /**
   * Begins to look for jobs whose worker did not renew the lock.
   * @param onStalled called with the id of such a job, which waits again
   */
  async start(onStalled: (id: string) => void): Promise<void> {
    this.#worker.on('stalled', onStalled);
    await this.#worker.waitUntilReady();
    // It goes on until the worker is closed, and tries again by itself.
    this.#worker.startStalledCheckTimer().catch((thrown: unknown) => {
      this.#logger.warn({ reason: messageOf(thrown) }, 'jobs whose worker is lost are not looked for');
    });
  }

  /** Does nothing when the job is there already. */
  async add(job: Pick<Job, 'id' | 'priority' | 'turn'>): Promise<void> {
    const options = { jobId: job.id, priority: rankOf(job), removeOnComplete: true, removeOnFail: true };
    await withRedis(() => this.#queue.add(JOB_NAME, null, options));
  }

  async has(id: string): Promise<boolean> {
    return (await withRedis(() => this.#queue.getJob(id))) !== undefined;
  }

  /** Takes the next job and locks it for `leaseMs`. */
  async take(token: string): Promise<Delivered | undefined> {
    const job = await withRedis(() => this.#worker.getNextJob(token, { block: false }));
    if (job?.id === undefined) return undefined;
    const delivered = { id: job.id };
    this.#delivered.set(delivered, job);
    return delivered;
  }

  /** Key of the lock, whose value is the token of the holder. */
  lockKey(id: string): string {
    return `${this.#queue.toKey(id)}:lock`;
  }

  /** Locks a job for another `leaseMs`. A lock that has run out stays so: the job is about to be delivered again. */
  renew(delivered: Delivered, token: string): Promise<void> {
    return this.#attempt(delivered, (job) => job.extendLock(token, this.#leaseMs));
  }

  /** Lets the job be delivered again, before all of its priority and turn. */
  giveBack(delivered: Delivered, token: string): Promise<void> {
    return this.#attempt(delivered, (job) => job.moveToWait(token));
  }

  /** Ends the delivery of a job. */
  done(delivered: Delivered, token: string): Promise<void> {
    return this.#attempt(delivered, (job) => job.moveToCompleted(null, token, false));
  }

  /** Ends the delivery of a job that waits. */
  async remove(id: string): Promise<void> {
    try {
      await this.#queue.remove(id);
    } catch (thrown) {
      this.#logger.debug({ job: id, reason: messageOf(thrown) }, 'a job is delivered once more before it is dropped');
    }
  }

  /** What fails here is made good by the next delivery of the job. */
  async #attempt(delivered: Delivered, step: (job: BullJob) => Promise<unknown>): Promise<void> {
    const job = this.#delivered.get(delivered);
    if (job === undefined) return;
    try {
      await step(job);
    } catch (thrown) {
      this.#logger.debug({ job: delivered.id, reason: messageOf(thrown) }, 'the lock of a job has run out');
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#worker.close(true), this.#queue.close()]);
  }
}

/**
 * The order as a priority of BullMQ, which takes lower ones first and the oldest of equals. A job whose lock ran out it
 * takes before all others, in whatever order. Should an unbroken row of jobs ever come to the last turn, the rest of it
 * is in order of age.
 */
function rankOf({ priority, turn }: Pick<Job, 'priority' | 'turn'>): number {
  return JOB_PRIORITIES.indexOf(priority) * TURNS + Math.min(turn, TURNS - 2) + 1;
}
