import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkedJson } from '../../src/common/checked-json.ts';
import { createLogger } from '../../src/common/logger.ts';
import { openFileJobQueue } from '../../src/jobs/file-job-queue.ts';
import type { JobEvent, JobQueue } from '../../src/jobs/job-queue.ts';
import { describeJobQueue } from '../contract/job-queue.ts';

const silent = createLogger('silent');

describeJobQueue('files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'jobs-'));
  return {
    open: (conditions) => openFileJobQueue(folder, silent, conditions),
    dispose: () => rm(folder, { recursive: true }),
  };
});

describe('files of jobs', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jobs-'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  /** Opens the queue, uses it, closes it. */
  async function withQueue<T>(use: (queue: JobQueue) => Promise<T>): Promise<T> {
    const queue = await openFileJobQueue(folder, silent);
    try {
      return await use(queue);
    } finally {
      await queue.close();
    }
  }

  function enqueued(payload: string): Promise<string> {
    return withQueue(async (queue) => (await queue.enqueue({ payload })).id);
  }

  async function changeJobFile(id: string, fields: Record<string, unknown>): Promise<void> {
    const path = join(folder, id, 'job.json');
    const { value } = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, checkedJson({ ...value, ...fields }));
  }

  test('a job is a folder with a file in snake case, without unfinished files', async () => {
    const id = await enqueued('flowers');
    expect(await readdir(folder)).toEqual([id]);
    expect(await readdir(join(folder, id))).toEqual(['events.jsonl', 'job.json']);
    expect(JSON.parse(await readFile(join(folder, id, 'job.json'), 'utf8'))).toMatchObject({
      value: { schema: 1, id, state: 'queued', payload: 'flowers', created_at: expect.any(String) },
    });
  });

  test('a file without SHA-256, as earlier releases wrote them, is read', async () => {
    const id = await enqueued('flowers');
    const path = join(folder, id, 'job.json');
    await writeFile(path, JSON.stringify(JSON.parse(await readFile(path, 'utf8')).value));
    await withQueue(async (queue) => expect(await queue.get(id)).toMatchObject({ payload: 'flowers' }));
  });

  test.each([
    ['cut short', (path: string) => truncate(path, 10)],
    ['empty', (path: string) => truncate(path, 0)],
    [
      'that of another payload',
      async (path: string) => writeFile(path, (await readFile(path, 'utf8')).replace('"damaged"', '"tulips"')),
    ],
    ['of an unknown schema', (path: string) => writeFile(path, '{"schema":2}')],
    [
      'a folder',
      async (path: string) => {
        await rm(path);
        await mkdir(path);
      },
    ],
  ])('a job whose file is %s is shown as one that cannot be read, and left as it is', async (_what, damage) => {
    const damaged = await enqueued('damaged');
    const sound = await enqueued('sound');
    const path = join(folder, damaged, 'job.json');
    await damage(path);
    await writeFile(join(folder, damaged, 'archive'), 'photos');
    const before = await readdir(join(folder, damaged), { recursive: true });
    const lines: string[] = [];
    const logger = pino({ base: null }, { write: (line: string) => void lines.push(line) });
    const queue = await openFileJobQueue(folder, logger, { keepFinished: 1 });
    expect((await queue.list()).map(({ id }) => id)).toEqual([sound, damaged]);
    const failure = { code: 'job_unreadable', message: expect.stringContaining('log of the server') };
    expect(await queue.get(damaged)).toMatchObject({ state: 'failed', failure, payload: {} });
    expect((await collect(queue.events(damaged))).at(-1)?.data).toMatchObject({ state: 'failed', failure });
    await expect(queue.cancel(damaged)).rejects.toMatchObject({ code: 'job_finished' });
    expect(lines.map((line) => JSON.parse(line))).toContainEqual(expect.objectContaining({ path }));
    await queue.cancel(sound);
    await queue.close();
    expect(await readdir(join(folder, damaged), { recursive: true })).toEqual(before);
  });

  test('a job that was never acknowledged, or is half removed, is removed; other files are not touched', async () => {
    const id = '0199c1f2a3b4-5f3a9c1e';
    await mkdir(join(folder, id));
    await writeFile(join(folder, id, 'archive'), 'photos');
    await writeFile(join(folder, 'notes.txt'), 'mine');
    await withQueue(async (queue) => {
      expect(await queue.list()).toEqual([]);
    });
    expect(await readdir(folder)).toEqual(['notes.txt']);
  });

  test('files that were being written when the process died are removed', async () => {
    const id = await enqueued('flowers');
    await writeFile(join(folder, id, 'job.json.0.tmp'), '{"schema');
    await withQueue(async () => {});
    expect(await readdir(join(folder, id))).toEqual(['events.jsonl', 'job.json']);
  });

  test('events that a crash cut short or garbled are ignored, and later ones are read', async () => {
    const id = await enqueued('flowers');
    await appendFile(join(folder, id, 'events.jsonl'), '\nnonsense\n{"id":2,"at":"20');
    await withQueue((queue) => queue.cancel(id));
    const events = await withQueue((queue) => collect(queue.events(id)));
    expect(events.map(({ id }) => id)).toEqual([1, 2]);
    expect(events.at(-1)?.data).toMatchObject({ state: 'cancelled' });
  });

  test('a running job whose process died is queued again, up to three attempts', async () => {
    const id = await enqueued('flowers');
    await changeJobFile(id, { state: 'running', attempts: 2, state_event_id: 2 });
    await withQueue(async (queue) => {
      expect((await queue.claim())?.job).toMatchObject({ id, attempts: 3 });
    });
    await changeJobFile(id, { state: 'running', attempts: 3 });
    await withQueue(async (queue) => {
      expect(await queue.get(id)).toMatchObject({ state: 'failed', failure: { code: 'worker_lost' } });
    });
  });

  test('a process that died after it kept more of the job has not used up an attempt', async () => {
    const id = await enqueued('flowers');
    await changeJobFile(id, { state: 'running', attempts: 3, state_event_id: 2, kept: 10 });
    const event = { id: 2, at: '2026-01-02T03:04:05.000Z', data: { type: 'state', state: 'running', failure: null } };
    const progress = { id: 3, at: event.at, data: { type: 'progress', progress: { phase: 'train' }, kept: 11 } };
    await appendFile(join(folder, id, 'events.jsonl'), `\n${JSON.stringify(event)}\n${JSON.stringify(progress)}`);
    await withQueue(async (queue) => {
      expect(await queue.get(id)).toMatchObject({ state: 'queued', attempts: 0, kept: 11 });
    });
  });

  test('a job that was being cancelled when the process died is cancelled', async () => {
    const id = await enqueued('flowers');
    await changeJobFile(id, { state: 'running', attempts: 1, cancel_requested: true });
    await withQueue(async (queue) => {
      expect((await queue.get(id)).state).toBe('cancelled');
    });
  });

  test('after a crash at the end of a job, its last event is added and its archive removed', async () => {
    const id = await enqueued('flowers');
    await changeJobFile(id, { state: 'succeeded', state_event_id: 2, finished_at: '2026-01-02T03:04:05.000Z' });
    await writeFile(join(folder, id, 'archive'), 'photos');
    const events = await withQueue((queue) => collect(queue.events(id)));
    expect(events.at(-1)).toMatchObject({ id: 2, at: '2026-01-02T03:04:05.000Z', data: { state: 'succeeded' } });
    expect(existsSync(join(folder, id, 'archive'))).toBe(false);
  });

  test('belong to one process at a time', async () => {
    await withQueue(async () => {
      await expect(openFileJobQueue(folder, silent)).rejects.toThrow(`is in use by process ${process.pid}`);
    });
    await withQueue(async () => {});
  });

  test('can be opened after a process that ended without closing them', async () => {
    const ended = spawnSync(process.execPath, ['--version']).pid;
    await writeFile(join(folder, 'lock'), `${ended}-12345`);
    await withQueue(async () => {});
    // Another process has got the id since: it started at another time.
    await writeFile(join(folder, 'lock'), `${process.pid}-1`);
    await withQueue(async () => {});
  });
});

async function collect(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
