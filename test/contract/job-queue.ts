import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Claim, ClaimLostError, JobCancelledError, type JobQueue } from '../../src/jobs/job-queue.ts';

/** Limits that the suite needs. They have the names of the limits of embedded queues. */
export interface JobQueueConditions {
  readonly maxQueued?: number;
  readonly maxQueuedPerOwner?: number;
  readonly maxAttempts?: number;
  readonly leaseMs?: number;
  readonly cancelGraceMs?: number;
  readonly keepFinished?: number;
  readonly maxEvents?: number;
}

/** A storage of jobs, on which queues are opened. */
export interface JobQueueHarness {
  /** Whether several queues may be open at once, as on several machines. */
  readonly isShared?: boolean;
  open(conditions?: JobQueueConditions): Promise<JobQueue>;
  dispose(): Promise<void>;
}

/** The contract of every job queue. */
export function describeJobQueue(name: string, createHarness: () => Promise<JobQueueHarness>): void {
  describe(`job queue: ${name}`, () => {
    let harness: JobQueueHarness;
    let folder: string;
    let opened: JobQueue[];

    async function open(conditions?: JobQueueConditions): Promise<JobQueue> {
      const queue = await harness.open(conditions);
      opened.push(queue);
      return queue;
    }

    beforeEach(async () => {
      harness = await createHarness();
      folder = await mkdtemp(join(tmpdir(), 'job-queue-'));
      opened = [];
    });

    afterEach(async () => {
      vi.useRealTimers();
      for (const queue of opened) await queue.close();
      await harness.dispose();
      await rm(folder, { recursive: true });
    });

    async function upload(content: string): Promise<string> {
      const path = join(folder, `${content}.zip`);
      await writeFile(path, content);
      return path;
    }

    describe('a job', () => {
      test('goes from queued to running to succeeded, with its progress and result', async () => {
        const queue = await open();
        const { id } = await queue.enqueue({ payload: { name: 'flowers', epochs: [1, 2] } });
        expect(await queue.get(id)).toMatchObject({ state: 'queued', attempts: 0, startedAt: null, progress: null });

        const claim = await claimed(queue);
        expect(claim.job).toMatchObject({ id, state: 'running', attempts: 1 });
        expect(claim.job.payload).toEqual({ name: 'flowers', epochs: [1, 2] });

        await queue.report(claim, { type: 'progress', progress: { phase: 'train', epoch: 3 } });
        expect((await queue.get(id)).progress).toEqual({ phase: 'train', epoch: 3 });

        await queue.report(claim, { type: 'succeeded', result: { version: 1 } });
        const job = await queue.get(id);
        expect(job).toMatchObject({ state: 'succeeded', result: { version: 1 }, failure: null });
        expect(Date.parse(job.finishedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(job.createdAt));
        expect(claim.signal.aborted).toBe(false);
      });

      test('that fails says why', async () => {
        const queue = await open();
        const { id } = await queue.enqueue({ payload: null });
        const failure = { code: 'too_few_images', message: '3 images of rose' };
        await queue.report(await claimed(queue), { type: 'failed', failure });
        expect(await queue.get(id)).toMatchObject({ state: 'failed', failure, result: null });
      });

      test('has an id that is safe in a URL and sorts by creation; the list is newest first', async () => {
        const queue = await open();
        const ids: string[] = [];
        for (let i = 0; i < 10; i += 1) ids.push((await queue.enqueue({ payload: i })).id);
        expect(ids).toEqual([...ids].sort());
        for (const id of ids) expect(id).toBe(encodeURIComponent(id));
        expect((await queue.list()).map(({ payload }) => payload)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
      });

      test('that does not exist is a 404', async () => {
        const queue = await open();
        const unknown = expect.objectContaining({ code: 'job_not_found' });
        await expect(queue.get('../etc/passwd')).rejects.toEqual(unknown);
        await expect(queue.cancel('nothing')).rejects.toEqual(unknown);
        await expect(collect(queue.events('nothing'))).rejects.toEqual(unknown);
      });
    });

    describe('the archive', () => {
      test('is moved into the queue, is there for the worker, and is removed when the job ends', async () => {
        const queue = await open();
        const uploaded = await upload('photos');
        await queue.enqueue({ payload: null, archivePath: uploaded });
        const claim = await claimed(queue);
        const path = await claim.archivePath();
        expect(path && (await readFile(path, 'utf8'))).toBe('photos');
        await queue.report(claim, { type: 'succeeded', result: null });
        expect(existsSync(String(path))).toBe(false);
        expect(existsSync(uploaded)).toBe(false);
      });

      test('of a cancelled job is removed before the cancellation is acknowledged', async () => {
        const queue = await open();
        const { id } = await queue.enqueue({ payload: null, archivePath: await upload('photos') });
        const claim = await claimed(queue);
        const path = String(await claim.archivePath());
        const cancelling = queue.cancel(id);
        await aborted(claim.signal);
        await queue.report(claim, { type: 'cancelled' });
        await cancelling;
        expect(existsSync(path)).toBe(false);
      });

      test('is still there after a restart', async () => {
        const before = await open();
        await before.enqueue({ payload: null, archivePath: await upload('photos') });
        await before.close();
        const claim = await claimed(await open());
        expect(await readFile(String(await claim.archivePath()), 'utf8')).toBe('photos');
      });

      test('is undefined when none was given', async () => {
        const queue = await open();
        await queue.enqueue({ payload: null });
        expect(await (await claimed(queue)).archivePath()).toBeUndefined();
      });
    });

    describe('a full queue', () => {
      test('refuses with a time to retry, and leaves the upload where it is', async () => {
        const queue = await open({ maxQueued: 2 });
        await queue.enqueue({ payload: 1 });
        await queue.enqueue({ payload: 2 });
        const archivePath = await upload('photos');
        await expect(queue.enqueue({ payload: 3, archivePath })).rejects.toMatchObject({
          code: 'job_queue_full',
          status: 429,
          retryAfter: expect.any(Number),
        });
        expect(existsSync(archivePath)).toBe(true);
      });

      test('counts only queued jobs', async () => {
        const queue = await open({ maxQueued: 1 });
        await queue.enqueue({ payload: 1 });
        await claimed(queue);
        await expect(queue.enqueue({ payload: 2 })).resolves.toMatchObject({ state: 'queued' });
      });
    });

    describe('owners', () => {
      /** Works on all jobs that wait. @returns their payloads, in the order in which they were taken */
      async function order(queue: JobQueue): Promise<unknown[]> {
        const waiting = (await queue.list()).filter(({ state }) => state === 'queued');
        const taken: unknown[] = [];
        for (const _ of waiting) {
          const claim = await claimed(queue);
          taken.push(claim.job.payload);
          await queue.report(claim, { type: 'succeeded', result: null });
        }
        return taken;
      }

      test('take turns: the second job of one waits for the first ones of all others', async () => {
        const queue = await open();
        for (const payload of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2', '-1', '-2']) {
          await queue.enqueue({ payload, ...(payload[0] !== '-' && { owner: String(payload[0]) }) });
        }
        expect(await order(queue)).toEqual(['a1', 'b1', 'c1', '-1', 'a2', 'b2', '-2', 'a3']);
      });

      test('that always send another do not make others wait for long', async () => {
        const queue = await open();
        for (const payload of ['a1', 'a2', 'a3', 'b1']) await queue.enqueue({ payload, owner: String(payload[0]) });
        const taken: unknown[] = [];
        for (let next = 2; next < 5; next += 1) {
          for (let i = 0; i < 2; i += 1) {
            const claim = await claimed(queue);
            taken.push(claim.job.payload);
            await queue.report(claim, { type: 'succeeded', result: null });
          }
          await queue.enqueue({ payload: `b${next}`, owner: 'b' });
        }
        expect(taken).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'b3']);
      });

      test('that come later do not overtake those that have waited', async () => {
        const queue = await open();
        for (const payload of ['a1', 'a2', 'a3']) await queue.enqueue({ payload, owner: 'a' });
        for (let i = 0; i < 2; i += 1) {
          await queue.report(await claimed(queue), { type: 'succeeded', result: null });
        }
        for (const payload of ['b1', 'b2']) await queue.enqueue({ payload, owner: 'b' });
        expect(await order(queue)).toEqual(['b1', 'a3', 'b2']);
      });

      test('begin anew once no job is left, also after a restart', async () => {
        const before = await open();
        for (const payload of ['a1', 'a2']) await before.enqueue({ payload, owner: 'a' });
        await order(before);
        const send = async (queue: JobQueue) => {
          for (const payload of ['a', 'b', 'a']) await queue.enqueue({ payload, owner: payload });
          return order(queue);
        };
        expect(await send(before)).toEqual(['a', 'b', 'a']);
        await before.close();
        expect(await send(await open())).toEqual(['a', 'b', 'a']);
      });

      test('keep their turns over a restart', async () => {
        const before = await open();
        for (const payload of ['a1', 'a2', 'a3']) await before.enqueue({ payload, owner: 'a' });
        await before.report(await claimed(before), { type: 'succeeded', result: null });
        await before.close();
        const queue = await open();
        for (const payload of ['b1', 'b2', 'a4']) await queue.enqueue({ payload, owner: String(payload[0]) });
        expect(await order(queue)).toEqual(['b1', 'a2', 'b2', 'a3', 'a4']);
      });

      test('a job that is given back keeps its turn', async () => {
        const queue = await open();
        for (const payload of ['a1', 'a2', 'b1']) await queue.enqueue({ payload, owner: String(payload[0]) });
        await queue.report(await claimed(queue), { type: 'abandoned', reason: 'its process ended' });
        expect(await order(queue)).toEqual(['a1', 'b1', 'a2']);
      });

      test('have a limited number of places each; jobs without an owner have all', async () => {
        const queue = await open({ maxQueued: 5, maxQueuedPerOwner: 2 });
        for (let i = 0; i < 2; i += 1) await queue.enqueue({ payload: i, owner: 'a' });
        const archivePath = await upload('photos');
        const refused = await queue.enqueue({ payload: 2, owner: 'a', archivePath }).catch((thrown: unknown) => thrown);
        expect(refused).toMatchObject({ code: 'job_queue_full', status: 429, retryAfter: expect.any(Number) });
        expect(refused).toMatchObject({ message: expect.stringContaining('2 jobs of your key are queued') });
        expect(existsSync(archivePath)).toBe(true);
        for (let i = 3; i < 6; i += 1) await queue.enqueue({ payload: i });
        await expect(queue.enqueue({ payload: 6, owner: 'b' })).rejects.toMatchObject({
          message: expect.stringContaining('5 jobs are queued'),
        });
        await claimed(queue);
        await queue.enqueue({ payload: 7, owner: 'a' });
      });

      test('have keys of requests of their own', async () => {
        const queue = await open();
        const request = { payload: null, idempotency: { key: 'k', fingerprint: 'f' } };
        const ids = [];
        for (const owner of ['a', 'b', 'a']) ids.push((await queue.enqueue({ ...request, owner })).id);
        ids.push((await queue.enqueue(request)).id);
        expect(ids[2]).toBe(ids[0]);
        expect(new Set(ids).size).toBe(3);
      });

      test('low priority waits for normal, whoever asks', async () => {
        const queue = await open();
        const low = { priority: 'low' } as const;
        expect(await queue.enqueue({ payload: 'low a1', owner: 'a', ...low })).toMatchObject(low);
        await queue.enqueue({ payload: 'low a2', owner: 'a', ...low });
        await queue.enqueue({ payload: 'low b1', owner: 'b', ...low });
        for (const payload of ['a1', 'a2']) await queue.enqueue({ payload, owner: 'a' });
        expect(await order(queue)).toEqual(['a1', 'a2', 'low a1', 'low b1', 'low a2']);
      });
    });

    describe('a request with a key', () => {
      const idempotency = { key: 'lost answer', fingerprint: 'roses and tulips' };

      test('makes one job, also when it comes to two servers at once; the other archive stays where it is', async () => {
        const queues = [await open(), harness.isShared ? await open() : undefined];
        const sent = await Promise.all(
          ['a', 'b', 'c', 'd'].map(async (name, at) => {
            const archivePath = await upload(name);
            const job = await (queues[at % 2] ?? queues[0])?.enqueue({ payload: name, archivePath, idempotency });
            return { name, job, isTaken: !existsSync(archivePath) };
          }),
        );
        expect(new Set(sent.map(({ job }) => job?.id)).size).toBe(1);
        const [made] = sent.map(({ job }) => job?.payload);
        expect(sent.filter(({ name, isTaken }) => isTaken && name !== made)).toEqual([]);
        const [queue] = queues as [JobQueue];
        expect(await queue.list()).toMatchObject([{ payload: made, idempotency }]);
        const archive = await (await claimed(queue)).archivePath();
        expect(await readFile(String(archive), 'utf8')).toBe(made);
      });

      test('gets its job in any state, when the queue is full, and after a restart', async () => {
        const before = await open({ maxQueued: 1 });
        const { id } = await before.enqueue({ payload: 1, idempotency });
        expect(await before.enqueue({ payload: 2, idempotency })).toMatchObject({ id, state: 'queued', payload: 1 });
        await before.report(await claimed(before), { type: 'succeeded', result: 7 });
        await before.close();
        const after = await open({ maxQueued: 1 });
        expect(await after.enqueue({ payload: 3, idempotency })).toMatchObject({ id, state: 'succeeded', result: 7 });
      });

      test('is refused when another request had the key', async () => {
        const queue = await open();
        const { id } = await queue.enqueue({ payload: 1, idempotency });
        const other = { payload: 2, idempotency: { ...idempotency, fingerprint: 'oaks' } };
        await expect(queue.enqueue(other)).rejects.toMatchObject({
          code: 'idempotency_key_reused',
          status: 422,
          context: { job: id },
        });
        const another = await queue.enqueue({ payload: 2, idempotency: { ...idempotency, key: 'another' } });
        expect(another.id).not.toBe(id);
      });

      test('makes another job once the first is not kept any more', async () => {
        const queue = await open({ keepFinished: 1 });
        const first = await queue.enqueue({ payload: 1, idempotency });
        await queue.cancel(first.id);
        await queue.cancel((await queue.enqueue({ payload: 2 })).id);
        expect((await queue.enqueue({ payload: 3, idempotency })).payload).toBe(3);
      });
    });

    describe('claiming', () => {
      test('takes the oldest first, each for one worker only', async () => {
        const queue = await open();
        for (let i = 0; i < 6; i += 1) await queue.enqueue({ payload: i });
        const claims = await Promise.all(Array.from({ length: 6 }, () => claimed(queue)));
        expect(claims.map(({ job }) => job.payload)).toEqual([0, 1, 2, 3, 4, 5]);
        expect(await queue.claim(AbortSignal.abort())).toBeUndefined();
      });

      test('waits for a job', async () => {
        const queue = await open();
        const waiting = [claimed(queue), claimed(queue)];
        const jobs = [await queue.enqueue({ payload: 1 }), await queue.enqueue({ payload: 2 })];
        const claims = await Promise.all(waiting);
        expect(claims.map(({ job }) => job.id).sort()).toEqual(jobs.map(({ id }) => id));
      });

      test('ends with undefined when its signal fires or the queue closes', async () => {
        const queue = await open();
        const controller = new AbortController();
        const first = queue.claim(controller.signal);
        const second = queue.claim();
        controller.abort();
        expect(await first).toBeUndefined();
        await queue.close();
        expect(await second).toBeUndefined();
      });

      test('gives a job whose worker fell silent to another, and the first cannot report any more', async () => {
        const queue = await open({ leaseMs: 20 });
        const { id } = await queue.enqueue({ payload: null });
        const silent = await claimed(queue);
        const next = await claimed(queue);
        expect(next.job).toMatchObject({ id, attempts: 2 });
        expect(silent.signal.reason).toBeInstanceOf(ClaimLostError);
        await expect(queue.report(silent, { type: 'succeeded', result: 'stale' })).rejects.toThrow(ClaimLostError);
        expect((await queue.get(id)).result).toBeNull();
      });

      test('gives up after too many lost workers', async () => {
        const queue = await open({ leaseMs: 10, maxAttempts: 2 });
        const { id } = await queue.enqueue({ payload: null });
        await claimed(queue);
        await claimed(queue);
        await collect(queue.events(id));
        expect(await queue.get(id)).toMatchObject({ state: 'failed', attempts: 2, failure: { code: 'worker_lost' } });
      });

      test('gives an abandoned job to the next worker, and says why it gave up', async () => {
        const queue = await open({ maxAttempts: 2 });
        const { id } = await queue.enqueue({ payload: null });
        await queue.report(await claimed(queue), { type: 'abandoned', reason: 'its process ended' });
        expect(await queue.get(id)).toMatchObject({ state: 'queued', attempts: 1 });
        await queue.report(await claimed(queue), { type: 'abandoned', reason: 'its process hung' });
        const failure = { code: 'worker_lost', message: expect.stringContaining('its process hung') };
        expect(await queue.get(id)).toMatchObject({ state: 'failed', failure });
      });

      test('does not count an attempt during which more of the job was kept than ever before', async () => {
        const queue = await open({ maxAttempts: 2 });
        const { id } = await queue.enqueue({ payload: null });
        for (const kept of [1, 5, 6, 7]) {
          expect((await work(queue, kept)).job).toMatchObject({ id, state: 'running', attempts: 1 });
        }
        // These repeat what was kept before.
        expect((await work(queue, 7)).job.attempts).toBe(1);
        expect((await work(queue, 3)).job.attempts).toBe(2);
        expect(await queue.get(id)).toMatchObject({ state: 'failed', failure: { code: 'worker_lost' } });
      });

      test('remembers over a restart what was kept', async () => {
        const first = await open({ maxAttempts: 2 });
        const { id } = await first.enqueue({ payload: null });
        await work(first, 5);
        await first.close();
        const second = await open({ maxAttempts: 2 });
        await work(second, 5);
        await work(second, 4);
        expect(await second.get(id)).toMatchObject({ state: 'failed', failure: { code: 'worker_lost' } });
      });

      test('lasts as long as the worker reports', async () => {
        vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
        const queue = await open({ leaseMs: 200 });
        const { id } = await queue.enqueue({ payload: null });
        const claim = await claimed(queue);
        for (let beat = 0; beat < 5; beat += 1) {
          vi.advanceTimersByTime(150);
          await queue.report(claim, { type: 'heartbeat' });
        }
        expect(await queue.get(id)).toMatchObject({ state: 'running', attempts: 1 });
        vi.advanceTimersByTime(250);
        await expect(queue.report(claim, { type: 'heartbeat' })).rejects.toThrow(ClaimLostError);
      });
    });

    /** Works on a job: reports how much of it is kept, then abandons it. */
    async function work(queue: JobQueue, kept: number): Promise<Claim> {
      const claim = await claimed(queue);
      await queue.report(claim, { type: 'progress', progress: { phase: 'train' }, kept });
      await queue.report(claim, { type: 'progress', progress: { phase: 'evaluate' } });
      await queue.report(claim, { type: 'abandoned', reason: 'its process ended' });
      return claim;
    }

    describe('cancelling', () => {
      test('ends a queued job at once', async () => {
        const queue = await open();
        const { id } = await queue.enqueue({ payload: null });
        expect(await queue.cancel(id)).toMatchObject({ id, state: 'cancelled' });
        expect(await queue.claim(AbortSignal.abort())).toBeUndefined();
      });

      test('signals the worker and waits for its answer', async () => {
        const queue = await open({ cancelGraceMs: 60_000 });
        const { id } = await queue.enqueue({ payload: null });
        const claim = await claimed(queue);
        const cancelling = queue.cancel(id);
        expect(await aborted(claim.signal)).toBeInstanceOf(JobCancelledError);
        expect(await queue.get(id)).toMatchObject({ state: 'running', cancelRequested: true });
        await queue.report(claim, { type: 'cancelled' });
        expect((await cancelling).state).toBe('cancelled');
      });

      test('takes a failure of the worker as its answer', async () => {
        const queue = await open();
        const { id } = await queue.enqueue({ payload: null });
        const claim = await claimed(queue);
        const cancelling = queue.cancel(id);
        await aborted(claim.signal);
        await queue.report(claim, { type: 'failed', failure: { code: 'internal', message: 'aborted' } });
        expect(await cancelling).toMatchObject({ state: 'cancelled', failure: null });
      });

      test('does not wait for a worker that does not answer', async () => {
        const queue = await open({ cancelGraceMs: 10 });
        const { id } = await queue.enqueue({ payload: null });
        const claim = await claimed(queue);
        expect((await queue.cancel(id)).state).toBe('cancelled');
        await expect(queue.report(claim, { type: 'heartbeat' })).rejects.toThrow(ClaimLostError);
      });

      test('twice at the same time is one cancellation', async () => {
        const queue = await open({ cancelGraceMs: 10 });
        const { id } = await queue.enqueue({ payload: null });
        await claimed(queue);
        const jobs = await Promise.all([queue.cancel(id), queue.cancel(id)]);
        expect(jobs.map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
      });

      test('a finished job is a conflict, also when it finishes meanwhile', async () => {
        const queue = await open();
        const { id } = await queue.enqueue({ payload: null });
        const claim = await claimed(queue);
        const conflict = expect(queue.cancel(id)).rejects.toMatchObject({ code: 'job_finished' });
        await queue.report(claim, { type: 'succeeded', result: 'done' });
        await conflict;
        await expect(queue.cancel(id)).rejects.toMatchObject({ code: 'job_finished', status: 409 });
        expect(await queue.get(id)).toMatchObject({ state: 'succeeded', result: 'done' });
      });

      test('cannot be reported by a worker that was not signalled', async () => {
        const queue = await open();
        await queue.enqueue({ payload: null });
        const claim = await claimed(queue);
        await expect(queue.report(claim, { type: 'cancelled' })).rejects.toThrow(/nobody asked/);
      });
    });

    describe('events', () => {
      test('are replayed, then followed to the end', async () => {
        const queue = await open();
        const { id } = await queue.enqueue({ payload: null });
        const claim = await claimed(queue);
        await queue.report(claim, { type: 'progress', progress: { phase: 'features', done: 1 } });
        const reading = collect(queue.events(id));
        await queue.report(claim, { type: 'progress', progress: { phase: 'train', epoch: 1 } });
        await queue.report(claim, { type: 'failed', failure: { code: 'x', message: 'y' } });
        const events = await reading;
        expect(events.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
        expect(events.map(({ data }) => data)).toEqual([
          { type: 'state', state: 'queued', failure: null },
          { type: 'state', state: 'running', failure: null },
          { type: 'progress', progress: { phase: 'features', done: 1 }, kept: 0 },
          { type: 'progress', progress: { phase: 'train', epoch: 1 }, kept: 0 },
          { type: 'state', state: 'failed', failure: { code: 'x', message: 'y' } },
        ]);
      });

      test('continue after the last one that was seen, before and after the end, and after a restart', async () => {
        const queue = await open();
        const { id } = await queue.enqueue({ payload: null });
        const claim = await claimed(queue);
        const reading = collect(queue.events(id, 1));
        await queue.report(claim, { type: 'succeeded', result: null });
        expect((await reading).map(({ id }) => id)).toEqual([2, 3]);
        expect((await collect(queue.events(id, 2))).map(({ id }) => id)).toEqual([3]);
        expect(await collect(queue.events(id, 3))).toEqual([]);
        await queue.close();
        expect((await collect((await open()).events(id, 1))).map(({ id }) => id)).toEqual([2, 3]);
      });

      test('are all sent when the given id does not exist', async () => {
        const queue = await open();
        const { id } = await queue.enqueue({ payload: null });
        await queue.cancel(id);
        expect(await collect(queue.events(id, 99))).toHaveLength(2);
      });

      test('end when the signal fires and when the queue closes', async () => {
        const queue = await open();
        const { id } = await queue.enqueue({ payload: null });
        const controller = new AbortController();
        const one = collect(queue.events(id, 0, controller.signal));
        const other = collect(queue.events(id));
        // The reader has got the first event and waits for the next one.
        await queue.list();
        controller.abort();
        expect((await one).length).toBeLessThanOrEqual(1);
        await queue.close();
        expect(await other).toHaveLength(1);
      });

      test('are limited: old ones are dropped, ids count on', async () => {
        const queue = await open({ maxEvents: 10 });
        const { id } = await queue.enqueue({ payload: null });
        const claim = await claimed(queue);
        for (let step = 1; step <= 50; step += 1) {
          await queue.report(claim, { type: 'progress', progress: { phase: 'train', step } });
        }
        await queue.report(claim, { type: 'succeeded', result: null });
        const ids = (await collect(queue.events(id))).map(({ id }) => id);
        expect(ids.length).toBeGreaterThanOrEqual(5);
        expect(ids.length).toBeLessThanOrEqual(10);
        expect(ids.at(-1)).toBe(53);
        expect(ids).toEqual(ids.map((_, index) => (ids[0] ?? 0) + index));
      });
    });

    describe('a restart', () => {
      test('keeps queued and finished jobs', async () => {
        const before = await open();
        const done = await before.enqueue({ payload: 'done' });
        await before.report(await claimed(before), { type: 'succeeded', result: 7 });
        const waiting = await before.enqueue({ payload: 'waiting' });
        const cancelled = await before.enqueue({ payload: 'cancelled' });
        await before.cancel(cancelled.id);
        const jobs = await before.list();
        await before.close();

        const after = await open();
        expect(await after.list()).toEqual(jobs);
        expect((await claimed(after)).job.id).toBe(waiting.id);
        expect((await after.get(done.id)).result).toBe(7);
      });

      test('in order queues a running job again, without counting an attempt', async () => {
        const before = await open({ maxAttempts: 1 });
        const { id } = await before.enqueue({ payload: null });
        const claim = await claimed(before);
        await before.report(claim, { type: 'progress', progress: { phase: 'train', epoch: 2 } });
        await before.close();
        expect(claim.signal.reason).toBeInstanceOf(ClaimLostError);
        await expect(before.report(claim, { type: 'succeeded', result: null })).rejects.toThrow(ClaimLostError);

        const next = await claimed(await open({ maxAttempts: 1 }));
        expect(next.job).toMatchObject({ id, attempts: 1, progress: { phase: 'train', epoch: 2 } });
      });

      test('continues with ids that sort after the old ones', async () => {
        const before = await open();
        const { id } = await before.enqueue({ payload: null });
        await before.close();
        expect((await (await open()).enqueue({ payload: null })).id > id).toBe(true);
      });
    });

    test('a closed queue does not accept jobs', async () => {
      const queue = await open();
      await queue.close();
      await expect(queue.enqueue({ payload: null })).rejects.toMatchObject({ code: 'shutting_down' });
      expect(await queue.claim()).toBeUndefined();
    });

    test('only the last finished jobs are kept', async () => {
      const queue = await open({ keepFinished: 2 });
      const ids: string[] = [];
      for (let i = 0; i < 4; i += 1) {
        const { id } = await queue.enqueue({ payload: i });
        await queue.cancel(id);
        ids.push(id);
      }
      expect((await queue.list()).map(({ payload }) => payload)).toEqual([3, 2]);
      await expect(queue.get(String(ids[0]))).rejects.toMatchObject({ code: 'job_not_found' });
    });
  });
}

async function claimed(queue: JobQueue): Promise<Claim> {
  const claim = await queue.claim();
  if (claim === undefined) throw new Error('nothing to claim');
  return claim;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Resolves with the reason when the signal fires. */
function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener('abort', () => resolve(signal.reason));
  });
}
