import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import { openFileJobQueue } from '../../src/jobs/file-job-queue.ts';
import { isFinished, type Job, type JobEvent, type JobQueue } from '../../src/jobs/job-queue.ts';

const KILLS = 20;
const DRIVER = new URL('crash-driver.js', import.meta.url).pathname;

/** What the queue acknowledged to the killed processes, by job. */
interface Acknowledged {
  readonly labels: Map<string, string>;
  readonly ends: Map<string, string>;
  readonly attempts: Map<string, number>;
  readonly steps: Map<string, number>;
}

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kill-'));
});

afterAll(() => rm(folder, { recursive: true }));

test(`a queue that is killed ${KILLS} times loses nothing that it acknowledged`, async () => {
  const acknowledged: Acknowledged = { labels: new Map(), ends: new Map(), attempts: new Map(), steps: new Map() };
  for (let round = 0; round < KILLS; round += 1) {
    // After another number of acknowledgements each time, during whatever file operation follows.
    await workAndKill(round, 1 + ((round * 7) % 30), acknowledged);
    if (round % 5 === 4) await expectNothingLost(acknowledged);
  }
  expect([...acknowledged.ends.values()]).toEqual(expect.arrayContaining(['succeeded', 'cancelled']));
});

/** Lets a process work until it has printed `facts` acknowledgements, and kills it with SIGKILL. */
async function workAndKill(round: number, facts: number, acknowledged: Acknowledged): Promise<void> {
  const child = spawn(process.execPath, [DRIVER, folder, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const killedBy = new Promise((resolve) => child.once('close', (_code, signal) => resolve(signal)));
  let lines = 0;
  for await (const line of createInterface(child.stdout)) {
    note(JSON.parse(line), acknowledged);
    lines += 1;
    if (lines === facts) child.kill('SIGKILL');
  }
  expect(await killedBy).toBe('SIGKILL');
}

function note(fact: Record<string, unknown>, { labels, ends, attempts, steps }: Acknowledged): void {
  if (fact['enqueued']) labels.set(String(fact['enqueued']), String(fact['label']));
  if (fact['claimed']) attempts.set(String(fact['claimed']), Number(fact['attempts']));
  if (fact['progressed']) steps.set(String(fact['progressed']), Number(fact['step']));
  if (fact['ended']) ends.set(String(fact['ended']), String(fact['state']));
}

async function expectNothingLost(acknowledged: Acknowledged): Promise<void> {
  const queue = await openFileJobQueue(join(folder, 'jobs'), createLogger('silent'), { keepFinished: 1000 });
  const jobs = await queue.list();
  expectAcknowledged(acknowledged, new Map(jobs.map((job) => [job.id, job])));
  const logs = Promise.all(jobs.map(async (job) => ({ job, events: await collect(queue.events(job.id)) })));
  await expectWaitingCanBeWorkedOn(queue, jobs);
  await queue.close();
  for (const { job, events } of await logs) expectSoundLog(job, events);
}

function expectAcknowledged({ labels, ends, attempts, steps }: Acknowledged, jobs: ReadonlyMap<string, Job>): void {
  for (const [id, label] of labels) expect(jobs.get(id)?.payload).toEqual({ label });
  for (const [id, state] of ends) {
    expect(jobs.get(id)).toMatchObject({ state, result: state === 'succeeded' ? { of: id } : null });
  }
  for (const [id, count] of attempts) expect(jobs.get(id)?.attempts).toBeGreaterThanOrEqual(count);
  for (const [id, step] of steps) {
    if (jobs.get(id)?.attempts === attempts.get(id)) {
      expect(jobs.get(id)?.progress?.['step']).toBeGreaterThanOrEqual(step);
    }
  }
  for (const job of jobs.values()) {
    expect(job.state).not.toBe('running');
    if (job.state === 'failed') expect(job).toMatchObject({ attempts: 3, failure: { code: 'worker_lost' } });
  }
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

/** Ids rise, the last change of state is to the present state, and nothing follows the end. */
function expectSoundLog({ state }: Job, events: readonly JobEvent[]): void {
  const ids = events.map(({ id }) => id);
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  const states = events.flatMap(({ data }) => (data.type === 'state' ? [data.state] : []));
  expect(states.at(-1)).toBe(state);
  expect(states.slice(0, -1).some(isFinished)).toBe(false);
}

async function collect(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
