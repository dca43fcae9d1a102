import { describe, expect, test } from 'vitest';
import type { Claim, JobQueue } from '../../src/jobs/job-queue.ts';
import { describeJobQueue } from '../contract/job-queue.ts';
import { MemoryJobJournal, openMemoryJobQueue } from './memory-job-queue.ts';

describeJobQueue('in memory', async () => {
  const journal = new MemoryJobJournal();
  return {
    open: (conditions) => openMemoryJobQueue(conditions, journal),
    dispose: async () => {},
  };
});

describe('on a full disk', () => {
  async function running(archivePath?: string) {
    const journal = new MemoryJobJournal();
    const queue = await openMemoryJobQueue({}, journal);
    const { id } = await queue.enqueue({ payload: null, ...(archivePath !== undefined && { archivePath }) });
    const claim = await claimed(queue);
    journal.full = true;
    return { journal, queue, id, claim };
  }

  test.each([
    [
      { type: 'succeeded', result: { version: 1 } },
      { state: 'succeeded', result: { version: 1 } },
    ],
    [{ type: 'failed', failure: { code: 'storage_full', message: 'full' } }, { state: 'failed' }],
    [
      { type: 'abandoned', reason: 'its process ended' },
      { state: 'queued', attempts: 1 },
    ],
  ] as const)('what a worker reports shows at once: %j', async (report, shown) => {
    const { journal, queue, id, claim } = await running();
    await queue.report(claim, report);
    expect(await queue.get(id)).toMatchObject(shown);
    journal.full = false;
    await queue.close();
    expect((await journal.load())[0]?.job).toMatchObject(shown);
  });

  test('a job whose end is not stored keeps its archive, since it may have to be done again', async () => {
    const { journal, queue, id, claim } = await running('/nowhere/photos.zip');
    await queue.report(claim, { type: 'succeeded', result: null });
    expect(await journal.archivePath(id)).toBe('/nowhere/photos.zip');
    journal.full = false;
    await queue.close();
    expect(await journal.archivePath(id)).toBeUndefined();
  });

  test('a job is not begun, and the queue closes', async () => {
    const journal = new MemoryJobJournal();
    const queue = await openMemoryJobQueue({}, journal);
    await queue.enqueue({ payload: null });
    journal.full = true;
    await expect(queue.claim()).rejects.toThrow('no space left');
    expect((await queue.list())[0]).toMatchObject({ state: 'queued', attempts: 0 });
    await queue.close();
  });

  test('a running job is queued again when the queue closes', async () => {
    const { queue, id, claim } = await running();
    await queue.close();
    expect(claim.signal.aborted).toBe(true);
    expect(await queue.get(id)).toMatchObject({ state: 'queued', attempts: 0 });
  });
});

async function claimed(queue: JobQueue): Promise<Claim> {
  const claim = await queue.claim();
  if (claim === undefined) throw new Error('there was no job');
  return claim;
}
