import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, messageOf } from '../../common/errors.ts';
import { Mutex } from '../../common/mutex.ts';
import { type Claim, ClaimLostError, type Job, type JobReport } from '../job-queue.ts';
import { RedisLease } from './redis-lease.ts';
import { inBackground, type RedisParts, removeArchive } from './redis-parts.ts';

/** Milliseconds before a report is tried again that Redis has not taken. */
const REPORT_AGAIN_MS = 500;

/** Reports after which the worker still has the job. */
const GOES_ON: ReadonlySet<JobReport['type']> = new Set(['heartbeat', 'progress']);

const TAKEN_AWAY = 'the job has ended or was given to another';

/** The claims that this process has made on jobs in Redis. */
export class RedisClaims {
  readonly #parts: RedisParts;
  readonly #leases = new Map<string, RedisLease>();
  /** Claims are made one at a time, so that the first to wait gets the first job. */
  readonly #claiming = new Mutex();

  constructor(parts: RedisParts) {
    this.#parts = parts;
  }

  /** As `JobQueue.claim`. */
  async claim(signal?: AbortSignal): Promise<Claim | undefined> {
    const { changed, closed } = this.#parts;
    for (;;) {
      const seen = changed.count;
      const claim = await this.#claiming.run(async () =>
        closed.aborted || signal?.aborted ? undefined : this.#claimNext(),
      );
      if (claim !== undefined || closed.aborted || signal?.aborted) return claim;
      await changed.after(seen, signal);
    }
  }

  async #claimNext(): Promise<Claim | undefined> {
    const { delivery, records, archives, limits } = this.#parts;
    for (;;) {
      const token = randomUUID();
      const delivered = await delivery.take(token);
      if (delivered === undefined) return undefined;
      const { id } = delivered;
      const lease = new RedisLease(token, delivered, limits.leaseMs);
      const claimed = await records.claim(id, token, delivery.lockKey(id));
      if (typeof claimed === 'string') {
        lease.end();
        if (claimed === 'ended') await delivery.done(delivered, token);
        continue;
      }
      this.#leases.get(id)?.lose('its lease ran out');
      this.#leases.set(id, lease);
      const { job, hasArchive } = claimed;
      return {
        job,
        token,
        signal: lease.signal,
        archivePath: async () => (hasArchive ? archives.fetch(id) : undefined),
      };
    }
  }

  /** As `JobQueue.report`. */
  async report({ job: { id }, token }: Claim, report: JobReport): Promise<void> {
    const { delivery } = this.#parts;
    const lease = this.#leases.get(id);
    if (lease?.token !== token || !lease.isHeld) throw new ClaimLostError(TAKEN_AWAY);
    if (!GOES_ON.has(report.type)) lease.isEnding = true;
    lease.reports += 1;
    const number = lease.reports;
    const outcome = await this.#persistently(lease, () => this.#store(id, lease, report, number));
    switch (outcome) {
      case 'uncalled':
        throw new Error(`nobody asked to cancel job ${id}`);
      case 'lost':
        this.#release(id, lease, TAKEN_AWAY);
        await delivery.done(lease.delivered, token);
        throw new ClaimLostError(TAKEN_AWAY);
      case 'ended':
        this.#release(id, lease);
        await removeArchive(this.#parts, id);
        return delivery.done(lease.delivered, token);
      case 'held':
      case 'cancel':
        lease.renew();
        if (outcome === 'cancel') lease.askToCancel();
        return delivery.renew(lease.delivered, token);
      default:
        this.#release(id, lease, report.type === 'abandoned' ? report.reason : outcome);
        return this.#handOn(outcome, lease);
    }
  }

  #store(id: string, { token }: RedisLease, report: JobReport, number: number) {
    const { records } = this.#parts;
    switch (report.type) {
      case 'heartbeat':
        return records.heartbeat(id, token);
      case 'progress':
        return records.progress(id, token, number, report);
      case 'succeeded':
        return records.succeed(id, token, report.result);
      case 'failed':
        return records.fail(id, token, report.failure);
      case 'abandoned':
        return records.abandon(id, token, report.reason);
      case 'cancelled':
        return records.cancelled(id, token);
    }
  }

  /** Tries again while Redis is away and the claim lasts. */
  async #persistently<T>(lease: RedisLease, store: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await store();
      } catch (thrown) {
        if (!(thrown instanceof AppError) || thrown.code !== 'storage_unavailable') throw thrown;
        if (this.#parts.closed.aborted || !lease.isHeld) throw new ClaimLostError(messageOf(thrown));
      }
      await delay(REPORT_AGAIN_MS);
    }
  }

  /** Looks whether a job that has changed is still this worker's, and whether it is to cancel it. */
  noteChange(id: string): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined) inBackground(this.#parts, this.#checkHold(id, lease));
  }

  async #checkHold(id: string, lease: RedisLease): Promise<void> {
    const hold = await this.#parts.records.hold(id, lease.token);
    if (hold === 'cancel') lease.askToCancel();
    if (hold === 'lost' && this.#leases.get(id) === lease && !lease.isEnding) {
      this.#release(id, lease, TAKEN_AWAY);
      await this.#parts.delivery.done(lease.delivered, lease.token);
    }
  }

  /** Queues all jobs again that are held, because the queue has closed. Where Redis is away, their locks run out. */
  async giveBackAll(): Promise<void> {
    await this.#claiming.run(async () => {
      await Promise.all([...this.#leases].map(([id, lease]) => this.#giveBack(id, lease)));
    });
  }

  async #giveBack(id: string, lease: RedisLease): Promise<void> {
    if (!lease.isHeld) return;
    lease.lose('the queue closed');
    try {
      const state = await this.#parts.records.giveBack(id, lease.token);
      if (state !== 'lost') await this.#handOn(state, lease);
    } catch (thrown) {
      this.#parts.logger.warn({ job: id, reason: messageOf(thrown) }, 'a job could not be given back');
    }
  }

  /** Lets BullMQ know what has become of a job whose worker was lost. */
  async #handOn(state: Job['state'], { delivered, token }: RedisLease): Promise<void> {
    const { delivery, records, logger } = this.#parts;
    logger.warn({ job: delivered.id, state }, 'a job lost its worker');
    if (state !== 'queued') {
      await removeArchive(this.#parts, delivered.id);
      return delivery.done(delivered, token);
    }
    await delivery.giveBack(delivered, token);
    await records.publish(delivered.id);
  }

  #release(id: string, lease: RedisLease, lost?: string): void {
    if (this.#leases.get(id) === lease) this.#leases.delete(id);
    if (lost === undefined) lease.end();
    else lease.lose(lost);
  }
}
