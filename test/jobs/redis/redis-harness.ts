import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createLogger } from '../../../src/common/logger.ts';
import type { JobQueueLimits } from '../../../src/jobs/job-queue-limits.ts';
import { FolderArchives, type JobArchives } from '../../../src/jobs/redis/job-archives.ts';
import { RedisJobQueue } from '../../../src/jobs/redis/redis-job-queue.ts';
import type { RedisServer } from './redis-server.ts';

/** A name for the keys of one test. */
export function ownPrefix(): string {
  return `{${randomUUID()}}`;
}

/** Opens the queue of one of several machines that share a Redis and a folder of archives. */
export async function openQueue(
  server: RedisServer,
  prefix: string,
  limits: Partial<JobQueueLimits> = {},
  { archives, commandTimeoutMs }: { archives?: JobArchives; commandTimeoutMs?: number } = {},
): Promise<RedisJobQueue> {
  return RedisJobQueue.open({
    url: server.url,
    archives: archives ?? (await FolderArchives.open(join(server.folder, 'archives'))),
    logger: createLogger('silent'),
    limits,
    prefix,
    ...(commandTimeoutMs !== undefined && { commandTimeoutMs }),
  });
}
