/** Composition of the job queue and of what works on it, on top of `services.ts`: the part that server and worker share. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from './common/errors.ts';
import type { Logger } from './common/logger.ts';
import type { Config } from './config.ts';
import { FinetuneJobs } from './finetuning/finetune-jobs.ts';
import type { OtherWork } from './finetuning/job-worker.ts';
import { openJobQueue } from './jobs/open-job-queue.ts';
import { observeTogether } from './metrics/job-observer.ts';
import type { Tracing } from './metrics/tracing.ts';
import { createModelTrainer, type Services } from './services.ts';

/** What is done with jobs beside fine-tuning. */
interface JobWork {
  readonly tracing?: Tracing;
  /** Work of jobs that are no fine-tunes, by their kind. */
  readonly others: Readonly<Record<string, OtherWork>>;
}

/**
 * Opens the queue, with which the data folder belongs to this process, and empties the folder for temporary files.
 * @throws FolderLockedError when another process uses the data folder; Error when Redis cannot be used
 */
export async function openFinetuneJobs(
  services: Services,
  config: Config,
  logger: Logger,
  { tracing, others }: JobWork,
): Promise<FinetuneJobs> {
  const workDir = join(config.dataDir, 'work');
  const queue = await openJobQueue(config, logger);
  await removeLeftovers(workDir, logger);
  const trainer = createModelTrainer(services, config, logger, workDir);
  const observer = observeTogether([services.metrics, ...(tracing ? [tracing] : [])]);
  return new FinetuneJobs(trainer, queue, logger, observer, others);
}

/**
 * Removes what an earlier process has left, which no job and no client refers to. Users of the folder make it again.
 */
export async function removeLeftovers(folder: string, logger: Logger): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (thrown) {
    logger.warn({ folder, reason: messageOf(thrown) }, 'leftovers of an earlier process cannot be removed');
  }
}
