import type { Logger } from '../common/logger.ts';
import { EmbeddedJobQueue } from './embedded-job-queue.ts';
import { FileJobJournal } from './file-job-journal.ts';
import type { JobQueueLimits } from './job-queue-limits.ts';

/**
 * Opens the queue of one machine. Jobs are files under `folder`, which is locked until the queue is closed. Jobs that
 * were running when the last process ended can be claimed at once.
 * @throws FolderLockedError when another process has the folder open
 */
export async function openFileJobQueue(
  folder: string,
  logger: Logger,
  limits: Partial<JobQueueLimits> = {},
): Promise<EmbeddedJobQueue> {
  const journal = await FileJobJournal.open(folder, logger);
  try {
    return await EmbeddedJobQueue.open(journal, logger, limits);
  } catch (thrown) {
    await journal.close();
    throw thrown;
  }
}
