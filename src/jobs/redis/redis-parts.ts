import type { Redis } from 'ioredis';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import type { ChangeNotifier } from '../change-notifier.ts';
import type { JobQueueLimits } from '../job-queue-limits.ts';
import type { JobArchives } from './job-archives.ts';
import type { JobDelivery } from './job-delivery.ts';
import type { RedisJobRecords } from './redis-job-records.ts';

/** What the parts of a queue on Redis share. */
export interface RedisParts {
  readonly client: Redis;
  readonly records: RedisJobRecords;
  readonly delivery: JobDelivery;
  readonly archives: JobArchives;
  /** Fires when any job may have changed, once a second, and when the queue closes. */
  readonly changed: ChangeNotifier;
  readonly limits: JobQueueLimits;
  readonly logger: Logger;
  /** Fires when the queue closes. */
  readonly closed: AbortSignal;
}

/** Removes the archive of a job that has ended. What cannot be removed now is removed by `RedisUpkeep`. */
export async function removeArchive({ archives, records, logger }: RedisParts, id: string): Promise<void> {
  try {
    await archives.remove(id);
    await records.archiveRemoved(id);
  } catch (thrown) {
    logger.warn({ job: id, reason: messageOf(thrown) }, 'the archive of a job could not be removed yet');
  }
}

/** Lets work go on that nobody waits for, and that is done again where it fails. */
export function inBackground({ logger, closed }: RedisParts, work: Promise<void>): void {
  work.catch((thrown: unknown) => {
    if (!closed.aborted) logger.warn({ reason: messageOf(thrown) }, 'jobs on Redis could not be put in order yet');
  });
}
