import { AppError } from '../../common/errors.ts';
import { keyReused, ownerQueueFull, queueClosed, queueFull } from '../job-errors.ts';
import type { Job, JobRequest } from '../job-queue.ts';
import type { RedisJobRecords } from './redis-job-records.ts';
import { inBackground, type RedisParts, removeArchive } from './redis-parts.ts';

/** How often a place is renewed within its lease, while the archive is stored. */
const RENEWALS = 6;

/** How jobs come into a queue on Redis: a place, the archive, the record, BullMQ; all of it or nothing. */
export class RedisIntake {
  readonly #parts: RedisParts;
  #isFreeing = false;

  constructor(parts: RedisParts) {
    this.#parts = parts;
  }

  /** As `JobQueue.enqueue`. */
  async enqueue(request: JobRequest): Promise<Job> {
    const { changed, limits, closed } = this.#parts;
    for (;;) {
      if (closed.aborted) throw queueClosed();
      const seen = changed.count;
      const { outcome, id } = await this.#reserve(request);
      if (outcome === 'full') throw queueFull(limits.maxQueued);
      if (outcome === 'owner full') throw ownerQueueFull(limits.maxQueuedPerOwner);
      if (outcome === 'reused') throw keyReused(id);
      if (outcome === 'reserved') return this.#fill(id, request);
      // Another request is storing the same archive: its job is the answer, or its place is free when it fails.
      if (outcome === 'pending') await changed.after(seen);
      else {
        const job = await this.#made(id);
        if (job !== undefined) return job;
      }
    }
  }

  async #reserve(request: JobRequest): ReturnType<RedisJobRecords['reserve']> {
    const { records, limits } = this.#parts;
    try {
      return await records.reserve(request, limits);
    } catch (thrown) {
      inBackground(this.#parts, this.#freeUnanswered());
      throw thrown;
    }
  }

  /**
   * Frees places that Redis may have given to requests which were refused because it did not answer: the client sends the
   * request again, with the same key, and would wait until such a place runs out.
   */
  async #freeUnanswered(): Promise<void> {
    const { records } = this.#parts;
    if (this.#isFreeing) return;
    this.#isFreeing = true;
    try {
      while (records.hasUnanswered) await this.#onceRedisAnswers(() => records.freeUnanswered());
    } finally {
      this.#isFreeing = false;
    }
  }

  /** The job that an earlier request has made, and may have failed to hand to BullMQ. */
  async #made(id: string): Promise<Job | undefined> {
    const job = await this.#parts.records.get(id);
    if (job?.state === 'queued') await this.#parts.delivery.add(job);
    return job;
  }

  /** Makes the job of a place. */
  async #fill(id: string, request: JobRequest): Promise<Job> {
    const { records, archives, delivery, limits } = this.#parts;
    const renew = () => void records.renew(id).catch(() => undefined);
    const renewing = setInterval(renew, limits.leaseMs / RENEWALS).unref();
    try {
      if (request.archivePath !== undefined) await archives.put(id, request.archivePath);
      const job = await records.create(id, request);
      if (job === undefined) {
        throw new AppError('storage_unavailable', 'the place in the queue was lost meanwhile: send it again');
      }
      await delivery.add(job);
      await records.publish(id);
      return job;
    } catch (thrown) {
      inBackground(this.#parts, this.#withdraw(id));
      throw thrown;
    } finally {
      clearInterval(renewing);
    }
  }

  /** Takes back what was not acknowledged, as soon as Redis can be asked. A job that a worker has by then is done. */
  async #withdraw(id: string): Promise<void> {
    const { records, delivery } = this.#parts;
    if (!(await this.#onceRedisAnswers(() => records.withdraw(id)))) return;
    await delivery.remove(id);
    await removeArchive(this.#parts, id);
  }

  /** Tries until Redis answers, or the queue closes. */
  async #onceRedisAnswers<T>(work: () => Promise<T>): Promise<T> {
    const { changed, closed } = this.#parts;
    for (;;) {
      const seen = changed.count;
      try {
        return await work();
      } catch (thrown) {
        if (closed.aborted) throw thrown;
        await changed.after(seen);
      }
    }
  }
}
