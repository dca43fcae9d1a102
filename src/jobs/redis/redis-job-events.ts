import { AppError } from '../../common/errors.ts';
import { jobNotFound } from '../job-errors.ts';
import { isFinished, type JobEvent } from '../job-queue.ts';
import type { ReadEvents, RedisJobRecords } from './redis-job-records.ts';
import type { RedisParts } from './redis-parts.ts';

/** As `JobQueue.events`. A reader that has begun waits while Redis is away. */
export async function* followEvents(
  { records, changed, closed }: RedisParts,
  id: string,
  afterId: number,
  signal?: AbortSignal,
): AsyncGenerator<JobEvent> {
  let last = afterId;
  let isKnown = false;
  while (!closed.aborted && !signal?.aborted) {
    const seen = changed.count;
    const read = await readEvents(records, id, last, isKnown);
    if (read === undefined) {
      if (!isKnown) throw jobNotFound(id);
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
    await changed.after(seen, signal);
  }
}

/** @returns `away` when a reader that has begun cannot read now */
async function readEvents(
  records: RedisJobRecords,
  id: string,
  after: number,
  isKnown: boolean,
): Promise<ReadEvents | 'away' | undefined> {
  try {
    return await records.events(id, after);
  } catch (thrown) {
    if (isKnown && thrown instanceof AppError && thrown.code === 'storage_unavailable') return 'away';
    throw thrown;
  }
}
