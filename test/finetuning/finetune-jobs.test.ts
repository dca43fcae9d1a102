import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { colourZip } from '../../scripts/labelled-zip.ts';
import { AppError } from '../../src/common/errors.ts';
import { createLogger } from '../../src/common/logger.ts';
import { FinetuneJobs } from '../../src/finetuning/finetune-jobs.ts';
import type { ModelTrainer, PublishedVersion } from '../../src/finetuning/model-trainer.ts';
import type { Job, JobQueue } from '../../src/jobs/job-queue.ts';
import { openMemoryJobQueue } from '../jobs/memory-job-queue.ts';

// Pauses before another attempt.
vi.mock('node:timers/promises', () => ({ setTimeout: async () => {} }));

const published: PublishedVersion = {
  model: 'flowers',
  version: 1,
  promoted: true,
  accuracy: 0.9,
  currentAccuracy: undefined,
  summary: {},
};

type Train = Pick<ModelTrainer, 'train'>['train'];

let folder: string;
let queue: JobQueue;
let jobs: FinetuneJobs;
const train = vi.fn<Train>();
const pinBackbone = vi.fn<ModelTrainer['pinBackbone']>();

function trainer(): Pick<ModelTrainer, 'pinBackbone' | 'inspect' | 'train'> {
  return { pinBackbone, inspect: () => Promise.reject(new Error('not needed')), train };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'finetune-jobs-'));
  train.mockReset();
  queue = await openMemoryJobQueue();
  pinBackbone.mockImplementation((request) => request);
  jobs = new FinetuneJobs(trainer(), queue, createLogger('silent'));
  await enqueue();
});

afterEach(async () => {
  await jobs.close();
  await rm(folder, { recursive: true });
});

async function enqueue(): Promise<void> {
  const archivePath = join(folder, 'flowers.zip');
  await writeFile(archivePath, '');
  await queue.enqueue({ payload: { name: 'flowers' }, archivePath });
}

describe('a request with a key', () => {
  const zip = colourZip(6);

  test('that comes again gets the job of the first, also when a check would fail by now', async () => {
    const [first, again] = [await send(), await send(new Error('the backbone is gone'))];
    expect(again.id).toBe(first.id);
  });

  test('gets a job that the queue keeps, not one that it lists and takes back a moment later', async () => {
    const first = await send();
    await queue.cancel(first.id);
    const taken = await openMemoryJobQueue();
    const withdrawn = new FinetuneJobs(trainer(), taken, createLogger('silent'));
    // Seen before it was taken back, because whoever made it could not tell its client.
    vi.spyOn(taken, 'list').mockResolvedValueOnce([first]);
    const job = await send(undefined, withdrawn);
    expect(await taken.get(job.id)).toMatchObject({ state: 'queued', payload: first.payload });
    await withdrawn.close();
  });

  async function send(problem?: Error, to: FinetuneJobs = jobs): Promise<Job> {
    const archivePath = join(folder, 'colours.zip');
    await writeFile(archivePath, await zip);
    pinBackbone.mockImplementation((request) => {
      if (problem !== undefined) throw problem;
      return request;
    });
    return to.submit({ name: 'colours' }, archivePath, { key: 'key-1' });
  }
});

describe('warnings for health checks', () => {
  const killed = new AppError('training_lost', 'the training process was killed: it sent no heartbeat for 5 s');
  const interrupted = (id: string) => `Job ${id} was interrupted: ${killed.message}.`;

  test('name a training process that was killed, until a training ends its job', async () => {
    const id = await oldestId();
    let finish: (version: PublishedVersion) => void = () => undefined;
    const secondAttempt = new Promise<PublishedVersion>((resolve) => {
      finish = resolve;
    });
    train.mockRejectedValueOnce(killed).mockReturnValueOnce(secondAttempt);

    jobs.start();
    await expect.poll(() => train).toHaveBeenCalledTimes(2);
    expect(jobs.warnings).toEqual([interrupted(id)]);

    finish(published);
    await expect.poll(() => jobs.warnings).toEqual([]);
  });

  test('name it also when another job ends meanwhile', async () => {
    const id = await oldestId();
    await enqueue();
    const other = (await queue.list())[0]?.id ?? '';
    const ends = new Map<string, (version: PublishedVersion) => void>();
    let isKilled = false;
    train.mockImplementation((_options, _path, key) => {
      if (key !== id || isKilled) return new Promise((resolve) => ends.set(key, resolve));
      isKilled = true;
      return Promise.reject(killed);
    });
    jobs.start(2);
    await expect.poll(() => ends.size).toBe(2);
    ends.get(other)?.(published);
    await expect.poll(() => queue.get(other)).toMatchObject({ state: 'succeeded' });
    expect(jobs.warnings).toEqual([interrupted(id)]);
    ends.get(id)?.(published);
    await expect.poll(() => jobs.warnings).toEqual([]);
  });

  test('name a process whose job has failed of it, until the next job ends', async () => {
    const id = await oldestId();
    train.mockRejectedValue(killed);
    jobs.start();
    await expect.poll(() => queue.get(id)).toMatchObject({ state: 'failed', failure: { code: 'worker_lost' } });
    expect(jobs.warnings).toEqual([interrupted(id)]);
    train.mockResolvedValue(published);
    await enqueue();
    await expect.poll(() => jobs.warnings).toEqual([]);
  });

  async function oldestId(): Promise<string> {
    return (await queue.list()).at(-1)?.id ?? '';
  }

  test('are absent when a fine-tune fails for a reason of its own', async () => {
    train.mockRejectedValueOnce(new AppError('dataset_too_small', 'there are 3 images'));
    jobs.start();
    await expect.poll(async () => (await queue.list())[0]).toMatchObject({ state: 'failed' });
    expect(jobs.warnings).toEqual([]);
  });
});

test('as many jobs are worked on at once as it is told', async () => {
  const ends: (() => void)[] = [];
  train.mockImplementation(() => new Promise((resolve) => ends.push(() => resolve(published))));
  await enqueue();
  await enqueue();
  jobs.start(2);
  await expect.poll(() => ends).toHaveLength(2);
  expect((await queue.list()).map(({ state }) => state)).toEqual(['queued', 'running', 'running']);
  ends[0]?.();
  await expect.poll(() => ends).toHaveLength(3);
  for (const end of ends) end();
  await expect.poll(async () => (await queue.list()).every(({ state }) => state === 'succeeded')).toBe(true);
});

describe('closing', () => {
  test('with a grace lets the training end, and takes no other job', async () => {
    let finish: (version: PublishedVersion) => void = () => undefined;
    train.mockImplementation(
      (_options, _path, _key, { signal }) =>
        new Promise((resolve, reject) => {
          finish = resolve;
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    );
    await enqueue();
    const states = watchStates(queue);
    jobs.start();
    await expect.poll(() => train).toHaveBeenCalledTimes(1);
    const closed = jobs.close(60_000);
    finish(published);
    await closed;
    expect(train).toHaveBeenCalledTimes(1);
    expect(await states).toEqual(['queued', 'running', 'succeeded']);
  });

  test.each([0, 5])('with a grace of %i ms gives back the job of a training that takes longer', async (graceMs) => {
    train.mockImplementation(
      (_options, _path, _key, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    );
    const states = watchStates(queue);
    jobs.start();
    await expect.poll(() => train).toHaveBeenCalledTimes(1);
    await jobs.close(graceMs);
    expect(await states).toEqual(['queued', 'running', 'queued']);
  });
});

describe('an archive that cannot be fetched', () => {
  const away = new AppError('storage_unavailable', 'The bucket of the server cannot be used');

  test('for now is waited for: that is no attempt of the job', async () => {
    train.mockResolvedValue(published);
    failToFetch(away, 9);
    const states = watchStates(queue);
    jobs.start();
    await expect.poll(async () => (await queue.list())[0]).toMatchObject({ state: 'succeeded' });
    expect(await states).toEqual(['queued', 'running', 'succeeded']);
  });

  test('ever ends the job with the reason', async () => {
    failToFetch(away, Number.POSITIVE_INFINITY);
    // Each look at the clock is a minute later.
    let clockMs = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (clockMs += 60_000));
    jobs.start();
    await expect
      .poll(async () => (await queue.list())[0])
      .toMatchObject({
        state: 'failed',
        failure: { message: expect.stringContaining(away.message) },
      });
    clock.mockRestore();
  });

  function failToFetch(fault: AppError, times: number): void {
    const claim = queue.claim.bind(queue);
    let left = times;
    vi.spyOn(queue, 'claim').mockImplementation(async (signal) => {
      const claimed = await claim(signal);
      const archivePath = async () => {
        left -= 1;
        if (left >= 0) throw fault;
        return claimed?.archivePath();
      };
      return claimed && { ...claimed, archivePath };
    });
  }
});

/** The states of the oldest job, until the queue is closed. */
async function watchStates(of: JobQueue): Promise<string[]> {
  const oldest = (await of.list()).at(-1);
  const states: string[] = [];
  for await (const { data } of of.events(oldest?.id ?? '')) if (data.type === 'state') states.push(data.state);
  return states;
}
