import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import { openFileJobQueue } from '../../src/jobs/file-job-queue.ts';
import type { Job, JobQueue } from '../../src/jobs/job-queue.ts';
import {
  type Acknowledged,
  collect,
  expectAcknowledged,
  expectSoundLog,
  nothingYet,
  workAndKill,
} from './acknowledged.ts';

const KILLS = 20;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kill-'));
});

afterAll(() => rm(folder, { recursive: true }));

test(`a queue that is killed ${KILLS} times loses nothing that it acknowledged`, async () => {
  const acknowledged = nothingYet();
  for (let round = 0; round < KILLS; round += 1) {
    // After another number of acknowledgements each time, during whatever file operation follows.
    await workAndKill([folder, String(round)], 1 + ((round * 7) % 30), acknowledged);
    if (round % 5 === 4) await expectNothingLost(acknowledged);
  }
  expect([...acknowledged.ends.values()]).toEqual(expect.arrayContaining(['succeeded', 'cancelled']));
});

async function expectNothingLost(acknowledged: Acknowledged): Promise<void> {
  const queue = await openFileJobQueue(join(folder, 'jobs'), createLogger('silent'), { keepFinished: 1000 });
  const jobs = await queue.list();
  expectAcknowledged(acknowledged, new Map(jobs.map((job) => [job.id, job])));
  const logs = Promise.all(jobs.map(async (job) => ({ job, events: await collect(queue.events(job.id)) })));
  await expectWaitingCanBeWorkedOn(queue, jobs);
  await queue.close();
  for (const { job, events } of await logs) expectSoundLog(job, events);
}

/** Queued jobs are claimed, oldest first, each once and with its archive. */
async function expectWaitingCanBeWorkedOn(queue: JobQueue, jobs: readonly Job[]): Promise<void> {
  const waiting = jobs.filter(({ state }) => state === 'queued').map(({ id }) => id);
  for (const id of waiting.reverse()) {
    const claim = await queue.claim();
    expect(claim?.job.id).toBe(id);
    const archive = String(await claim?.archivePath());
    expect(claim?.job.payload).toEqual({ label: readFileSync(archive, 'utf8') });
  }
}
