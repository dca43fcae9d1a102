import { AppError } from '../common/errors.ts';
import type { Job } from './job-queue.ts';
import { QUEUE_FULL_RETRY_SECONDS } from './job-queue-limits.ts';

/** The errors of every job queue, which clients see. */

/** @param limit the number of jobs that may be queued, which they are */
export function queueFull(limit: number): AppError {
  return new AppError(
    'job_queue_full',
    `${limit} jobs are queued, which is the limit: send it again when some have ended`,
    { retryAfter: QUEUE_FULL_RETRY_SECONDS, context: { limit } },
  );
}

/** @param limit the number of jobs of one owner that may be queued, which they are */
export function ownerQueueFull(limit: number): AppError {
  return new AppError(
    'job_queue_full',
    `${limit} jobs of your key are queued, which is the limit for one key: send it again when some have ended`,
    { retryAfter: QUEUE_FULL_RETRY_SECONDS, context: { limit } },
  );
}

export function jobNotFound(id: string): AppError {
  return new AppError('job_not_found', `there is no job ${JSON.stringify(id)}, or it was removed`);
}

/** Refuses to cancel a job. */
export function alreadyFinished({ id, state }: Job): AppError {
  return new AppError(
    'job_finished',
    `job ${id} has ended as ${state}: only a job that is queued or running can be cancelled`,
  );
}

/** @param jobId the job that was made by the earlier request */
export function keyReused(jobId: string): AppError {
  return new AppError(
    'idempotency_key_reused',
    `Job ${jobId} was made by a request with the same Idempotency-Key and other options or another zip. Send a new key ` +
      'with a new request.',
    { context: { job: jobId } },
  );
}

export function queueClosed(): AppError {
  return new AppError('shutting_down', 'the job queue is closed');
}
