import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AppError } from '../../src/common/errors.ts';
import { createLogger } from '../../src/common/logger.ts';
import { FinetuneJobs } from '../../src/finetuning/finetune-jobs.ts';
import type { PublishedVersion } from '../../src/finetuning/model-trainer.ts';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import { openMemoryJobQueue } from '../jobs/memory-job-queue.ts';

const published: PublishedVersion = {
  model: 'flowers',
  version: 1,
  promoted: true,
  accuracy: 0.9,
  currentAccuracy: undefined,
  summary: {},
};

describe('warnings for health checks', () => {
  let folder: string;
  let queue: JobQueue;
  let jobs: FinetuneJobs;
  const train = vi.fn<() => Promise<PublishedVersion>>();

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'finetune-jobs-'));
    const archivePath = join(folder, 'flowers.zip');
    await writeFile(archivePath, '');
    train.mockReset();
    queue = await openMemoryJobQueue();
    const inspect = () => Promise.reject(new Error('not needed'));
    jobs = new FinetuneJobs({ pinBackbone: (request) => request, inspect, train }, queue, createLogger('silent'));
    await queue.enqueue({ payload: { name: 'flowers' }, archivePath });
  });

  afterEach(async () => {
    await jobs.close();
    await rm(folder, { recursive: true });
  });

  test('name a training process that was killed, until a training ends its job', async () => {
    const killed = new AppError('training_lost', 'the training process was killed: it sent no heartbeat for 5 s');
    let finish: (version: PublishedVersion) => void = () => undefined;
    const secondAttempt = new Promise<PublishedVersion>((resolve) => {
      finish = resolve;
    });
    train.mockRejectedValueOnce(killed).mockReturnValueOnce(secondAttempt);

    jobs.start();
    await expect.poll(() => train).toHaveBeenCalledTimes(2);
    expect(jobs.warnings).toEqual([`The last fine-tune was interrupted: ${killed.message}.`]);

    finish(published);
    await expect.poll(() => jobs.warnings).toEqual([]);
  });

  test('are absent when a fine-tune fails for a reason of its own', async () => {
    train.mockRejectedValueOnce(new AppError('dataset_too_small', 'there are 3 images'));
    jobs.start();
    await expect.poll(async () => (await queue.list())[0]).toMatchObject({ state: 'failed' });
    expect(jobs.warnings).toEqual([]);
  });
});
