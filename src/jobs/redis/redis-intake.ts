import { AppError } from '../../common/errors.ts';
import { keyReused, ownerQueueFull, queueClosed, queueFull } from '../job-errors.ts';
import type { Job, JobRequest } from '../job-queue.ts';
import { inBackground, type RedisParts, removeArchive } from './redis-parts.ts';

/** How often a place is renewed within its lease, while the archive is stored. */
const RENEWALS = 6;

/** How jobs come into a queue on Redis: a place, the archive, the record, BullMQ; all of it or nothing. */
export class RedisIntake {
  readonly #parts: RedisParts;

  constructor(parts: RedisParts) {
    this.#parts = parts;
  }

  /** As `JobQueue.enqueue`. */
  async enqueue(request: JobRequest): Promise<Job> {
    const { records, changed, limits, closed } = this.#parts;
    for (;;) {
      if (closed.aborted) throw queueClosed();
      const seen = changed.count;
      const { outcome, id } = await records.reserve(request, limits);
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
    const { records, delivery, changed, closed } = this.#parts;
    for (;;) {
      const seen = changed.count;
      try {
        if (!(await records.withdraw(id))) return;
        break;
      } catch (thrown) {
        if (closed.aborted) throw thrown;
        await changed.after(seen);
      }
    }
    await delivery.remove(id);
    await removeArchive(this.#parts, id);
  }
}
