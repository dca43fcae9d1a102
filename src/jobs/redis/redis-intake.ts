import { AppError } from '../../common/errors.ts';
import { queueFull } from '../job-errors.ts';
import type { Job, JobRequest } from '../job-queue.ts';
import { inBackground, type RedisParts, removeArchive } from './redis-parts.ts';

/** How jobs come into a queue on Redis: a place, the archive, the record, BullMQ; all of it or nothing. */
export class RedisIntake {
  readonly #parts: RedisParts;

  constructor(parts: RedisParts) {
    this.#parts = parts;
  }

  /** As `JobQueue.enqueue`. */
  async enqueue({ payload, archivePath }: JobRequest): Promise<Job> {
    const { records, archives, delivery, limits } = this.#parts;
    const hasArchive = archivePath !== undefined;
    const id = await records.reserve(limits.maxQueued, hasArchive);
    if (id === undefined) throw queueFull(limits.maxQueued);
    try {
      if (hasArchive) await archives.put(id, archivePath);
      const job = await records.create(id, payload, hasArchive);
      if (job === undefined)
        throw new AppError('storage_unavailable', 'storing the archive took too long: send it again');
      await delivery.add(id);
      await records.publish(id);
      return job;
    } catch (thrown) {
      inBackground(this.#parts, this.#withdraw(id));
      throw thrown;
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
