import { join } from 'node:path';
import { makeFolder } from '../common/durable-files.ts';
import { lockFolder } from '../common/folder-lock.ts';
import type { Logger } from '../common/logger.ts';
import { openFileJobQueue } from './file-job-queue.ts';
import type { JobQueue } from './job-queue.ts';
import { FolderArchives } from './redis/job-archives.ts';
import { RedisJobQueue } from './redis/redis-job-queue.ts';

/** Settings of the same names. */
export interface JobQueueSettings {
  readonly dataDir: string;
  readonly jobQueue: string;
  readonly jobArchives: string;
  readonly jobQueueLimit: number;
}

/**
 * Opens the job queue of this machine, or the one that several machines share.
 * @throws FolderLockedError when another process uses the data folder; Error when Redis cannot be used
 */
export async function openJobQueue(
  { dataDir, jobQueue, jobArchives, jobQueueLimit }: JobQueueSettings,
  logger: Logger,
): Promise<JobQueue> {
  const limits = { maxQueued: jobQueueLimit };
  const folder = join(dataDir, 'jobs');
  if (jobQueue === '') return openFileJobQueue(folder, logger, limits);
  // The data folder still belongs to one process.
  await makeFolder(folder);
  const unlock = await lockFolder(folder);
  try {
    const archives = await FolderArchives.open(jobArchives || join(dataDir, 'job-archives'));
    return await RedisJobQueue.open({ url: jobQueue, archives, logger, limits, onClosed: unlock });
  } catch (thrown) {
    await unlock();
    throw thrown;
  }
}
