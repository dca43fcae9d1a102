import { join } from 'node:path';
import { makeFolder } from '../common/durable-files.ts';
import { lockFolder } from '../common/folder-lock.ts';
import type { Logger } from '../common/logger.ts';
import { parseStoreLocation } from '../registry/s3/store-location.ts';
import { openFileJobQueue } from './file-job-queue.ts';
import type { JobQueue } from './job-queue.ts';
import { BucketArchives } from './redis/bucket-archives.ts';
import { FolderArchives, type JobArchives } from './redis/job-archives.ts';
import { RedisJobQueue } from './redis/redis-job-queue.ts';

/** Settings of the same names. */
export interface JobQueueSettings {
  readonly dataDir: string;
  readonly jobQueue: string;
  readonly jobArchives: string;
  readonly jobQueueLimit: number;
  readonly jobsPerKey: number;
  readonly artifactStore: string;
  readonly s3Endpoint: string | undefined;
}

/**
 * Opens the job queue of this machine, or the one that several machines share.
 * @throws FolderLockedError when another process uses the data folder; Error when Redis cannot be used
 */
export async function openJobQueue(settings: JobQueueSettings, logger: Logger): Promise<JobQueue> {
  const { dataDir, jobQueue, jobQueueLimit, jobsPerKey } = settings;
  const limits = { maxQueued: jobQueueLimit, maxQueuedPerOwner: jobsPerKey };
  const folder = join(dataDir, 'jobs');
  if (jobQueue === '') return openFileJobQueue(folder, logger, limits);
  // The data folder still belongs to one process.
  await makeFolder(folder);
  const unlock = await lockFolder(folder);
  let archives: JobArchives | undefined;
  const onClosed = async () => {
    archives?.close();
    await unlock();
  };
  try {
    archives = await openArchives(settings);
    return await RedisJobQueue.open({ url: jobQueue, archives, logger, limits, onClosed });
  } catch (thrown) {
    await onClosed();
    throw thrown;
  }
}

/** A folder that is named; else the bucket of the models, where there is one; else a folder of this machine. */
async function openArchives({
  dataDir,
  jobArchives,
  artifactStore,
  s3Endpoint,
}: JobQueueSettings): Promise<JobArchives> {
  const own = join(dataDir, 'job-archives');
  const location = parseStoreLocation(artifactStore);
  if (jobArchives !== '' || location === undefined) return FolderArchives.open(jobArchives || own);
  return BucketArchives.open({ ...location, ...(s3Endpoint !== undefined && { endpoint: s3Endpoint }) }, own);
}
