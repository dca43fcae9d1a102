import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type Claim,
  ClaimLostError,
  type JobEvent,
  type JobQueue,
  type JobReport,
} from '../../../src/jobs/job-queue.ts';
import type { JobQueueLimits } from '../../../src/jobs/job-queue-limits.ts';
import type { JobArchives } from '../../../src/jobs/redis/job-archives.ts';
import { RedisJobRecords } from '../../../src/jobs/redis/redis-job-records.ts';
import { describeJobQueue } from '../../contract/job-queue.ts';
import { openQueue, ownPrefix } from './redis-harness.ts';
import { HAS_REDIS, RedisServer, WITHOUT_REDIS } from './redis-server.ts';

describe.skipIf(!HAS_REDIS)(`on a real Redis${WITHOUT_REDIS}`, () => {
  let server: RedisServer;
  let prefix: string;
  let opened: JobQueue[];

  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());
  beforeEach(() => {
    prefix = ownPrefix();
    opened = [];
  });
  afterEach(async () => {
    for (const queue of opened) await queue.close();
  });

  async function open(limits: Partial<JobQueueLimits> = {}): Promise<JobQueue> {
    const queue = await openQueue(server, prefix, limits);
    opened.push(queue);
    return queue;
  }

  describeJobQueue('on Redis', async () => ({
    isShared: true,
    open: (limits) => openQueue(server, prefix, limits),
    dispose: async () => {},
  }));

  describe('two replicas', () => {
    test('see the same jobs, and events go on from the other one', async () => {
      const [one, other] = [await open(), await open()];
      const { id } = await one.enqueue({ payload: null });
      const claim = await claimed(other);
      await other.report(claim, { type: 'progress', progress: { phase: 'training', epoch: 1 } });
      const seen = await first(one.events(id), 2);
      const rest = collect(other.events(id, seen.at(-1)?.id));
      await other.report(claim, { type: 'succeeded', result: 7 });
      expect([...seen, ...(await rest)].map((event) => event.id)).toEqual([1, 2, 3, 4]);
      expect(await one.list()).toEqual(await other.list());
      expect(await one.get(id)).toMatchObject({ state: 'succeeded', result: 7 });
    });

    test('cancel a job that the other one works on', async () => {
      const [one, other] = [await open({ cancelGraceMs: 60_000 }), await open()];
      const { id } = await one.enqueue({ payload: null });
      const claim = await claimed(other);
      const cancelling = one.cancel(id);
      await expect.poll(() => claim.signal.aborted).toBe(true);
      await other.report(claim, { type: 'cancelled' });
      expect((await cancelling).state).toBe('cancelled');
    });

    test('fill one queue together, and take each job once', async () => {
      const queues = [await open({ maxQueued: 6 }), await open({ maxQueued: 6 })];
      const sent = await Promise.allSettled(
        Array.from({ length: 10 }, (_, payload) => queues[payload % 2]?.enqueue({ payload })),
      );
      expect(sent.filter(({ status }) => status === 'fulfilled')).toHaveLength(6);
      const claims = await Promise.all(Array.from({ length: 6 }, (_, at) => claimed(queues[at % 2])));
      expect(new Set(claims.map(({ job }) => job.id)).size).toBe(6);
    });

    test('take over what a lost one leaves, with what was kept of it', async () => {
      const [one, other] = [await open({ leaseMs: 50 }), await open({ leaseMs: 50 })];
      const { id } = await one.enqueue({ payload: null });
      const silent = await claimed(one);
      await one.report(silent, { type: 'progress', progress: { phase: 'augmenting', done: 40 }, kept: 40 });
      const next = await claimed(other);
      expect(next.job).toMatchObject({ id, attempts: 1, kept: 40, progress: { done: 40 } });
      await expect(one.report(silent, { type: 'heartbeat' })).rejects.toThrow(ClaimLostError);
    });
  });

  describe('a request with a key, sent again while its archive is stored', () => {
    const request = { payload: null, archivePath: '/photos.zip', idempotency: { key: 'again', fingerprint: 'photos' } };
    const archives = (put: () => Promise<void>): JobArchives => ({
      put,
      fetch: async () => '',
      remove: async () => {},
      close: () => {},
    });

    /** Opens a queue on which the archive is being stored until `end` is called. */
    async function storing(limits: Partial<JobQueueLimits> = {}) {
      let begin = () => {};
      let end = (_fault?: Error) => {};
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const ended = new Promise<void>((resolve, reject) => {
        end = (fault) => (fault ? reject(fault) : resolve());
      });
      const put = () => {
        begin();
        return ended;
      };
      const queue = await openQueue(server, prefix, limits, { archives: archives(put) });
      opened.push(queue);
      return { queue, begun, end };
    }

    test('waits for the job of the first', async () => {
      const { queue, begun, end } = await storing();
      const first = queue.enqueue(request);
      await begun;
      const second = (await open()).enqueue(request);
      end();
      expect((await second).id).toBe((await first).id);
    });

    test('takes its place when that fails', async () => {
      const { queue, begun, end } = await storing();
      const first = queue.enqueue(request);
      await begun;
      const other = await openQueue(server, prefix, {}, { archives: archives(async () => {}) });
      opened.push(other);
      const second = other.enqueue(request);
      end(new Error('the disk is full'));
      await expect(first).rejects.toThrow('the disk is full');
      expect((await second).state).toBe('queued');
    });

    test('takes its place when the first server is dead', async () => {
      const { queue, begun } = await storing();
      void queue.enqueue(request).catch(() => undefined);
      await begun;
      const other = await openQueue(server, prefix, {}, { archives: archives(async () => {}) });
      opened.push(other);
      const client = new Redis(server.url);
      const [id = ''] = await client.zrange(`${prefix}:waiting`, 0, '-1');
      // What a minute without a sign of life does.
      await client.zincrby(`${prefix}:waiting`, -60_000, id);
      client.disconnect();
      expect((await other.enqueue(request)).state).toBe('queued');
    });

    test('waits while the first shows signs of life', async () => {
      const { queue, begun, end } = await storing({ leaseMs: 60 });
      const renewed = vi.spyOn(RedisJobRecords.prototype, 'renew');
      const first = queue.enqueue(request);
      await begun;
      await expect.poll(() => renewed.mock.calls.length).toBeGreaterThan(12);
      renewed.mockRestore();
      const second = (await open()).enqueue(request);
      end();
      expect((await second).id).toBe((await first).id);
    });
  });

  describe('while Redis is away', () => {
    test('a job is refused for now, and the queue comes back by itself', async () => {
      const away = await RedisServer.start();
      const queue = await openQueue(away, prefix);
      try {
        const { id } = await queue.enqueue({ payload: null });
        const claim = await claimed(queue);
        const events = collect(queue.events(id));
        await expect.poll(async () => (await first(queue.events(id), 2)).length).toBe(2);
        await away.kill();
        const archivePath = join(away.folder, 'photos.zip');
        await writeFile(archivePath, 'photos');
        await expect(queue.enqueue({ payload: null, archivePath })).rejects.toMatchObject({
          code: 'storage_unavailable',
          status: 503,
          retryAfter: expect.any(Number),
        });
        await expect(queue.list()).rejects.toMatchObject({ code: 'storage_unavailable' });
        // The end of a job is not lost: it is told again until Redis has it.
        const reported = queue.report(claim, { type: 'succeeded', result: 7 });
        away.run();
        await reported;
        expect(await queue.get(id)).toMatchObject({ state: 'succeeded', result: 7 });
        expect((await events).at(-1)?.data).toMatchObject({ type: 'state', state: 'succeeded' });
        await queue.enqueue({ payload: null, archivePath });
        expect((await claimed(queue)).job.state).toBe('running');
      } finally {
        await queue.close();
        await away.dispose();
      }
    });

    test('the answer of a worker that was asked to cancel waits for it', async () => {
      const away = await RedisServer.start();
      const queue = await openQueue(away, prefix, { cancelGraceMs: 60_000 });
      try {
        const { id } = await queue.enqueue({ payload: null });
        const claim = await claimed(queue);
        const cancelling = queue.cancel(id).catch(() => undefined);
        await expect.poll(() => claim.signal.aborted).toBe(true);
        await away.kill();
        const reported = queue.report(claim, { type: 'cancelled' });
        await cancelling;
        away.run();
        await reported;
        expect((await queue.get(id)).state).toBe('cancelled');
      } finally {
        await queue.close();
        await away.dispose();
      }
    });

    test('a job that is refused half way holds no place when it is back', async () => {
      const away = await RedisServer.start();
      const archives = { put: () => away.kill(), fetch: async () => '', remove: async () => {}, close: () => {} };
      // It is not the place's lease that runs out.
      const queue = await openQueue(away, prefix, { maxQueued: 1, leaseMs: 3_600_000 }, { archives });
      try {
        const refused = queue.enqueue({ payload: null, archivePath: '/photos.zip' });
        await expect(refused).rejects.toMatchObject({ code: 'storage_unavailable' });
        away.run();
        const send = () => queue.enqueue({ payload: null }).catch((error: unknown) => error);
        await expect.poll(send).toMatchObject({ state: 'queued' });
      } finally {
        await queue.close();
        await away.dispose();
      }
    });

    test('closing does not wait for it', async () => {
      const away = await RedisServer.start();
      const queue = await openQueue(away, prefix);
      await queue.enqueue({ payload: null });
      const claim = await claimed(queue);
      await away.kill();
      await queue.close();
      expect(claim.signal.reason).toBeInstanceOf(ClaimLostError);
      expect(await queue.claim()).toBeUndefined();
      await away.dispose();
    });
  });

  describe('while Redis is paused', () => {
    let paused: RedisServer;
    beforeEach(async () => {
      paused = await RedisServer.start();
    });
    afterEach(async () => {
      vi.restoreAllMocks();
      paused.resume();
      for (const queue of opened.splice(0)) await queue.close();
      await paused.dispose();
    });

    async function openThere(limits: Partial<JobQueueLimits> = {}): Promise<JobQueue> {
      const queue = await openQueue(paused, prefix, limits, { commandTimeoutMs: 1_000 });
      opened.push(queue);
      return queue;
    }

    /** Resolves once a script has been called another `times`. */
    async function called(name: 'progress' | 'events', times: number): Promise<void> {
      const calls = vi.spyOn(RedisJobRecords.prototype, name);
      await expect.poll(() => calls.mock.calls.length, { timeout: 30_000 }).toBe(times);
    }

    test('nothing is lost: the worker keeps its job, who follows it sees the end, and requests are refused for now', async () => {
      const [server, worker] = [await openThere(), await openThere()];
      const { id } = await server.enqueue({ payload: null });
      const claim = await claimed(worker);
      const seen: JobEvent[] = [];
      const following = follow(server.events(id), seen);
      const train = (epoch: number): JobReport => ({ type: 'progress', progress: { phase: 'training', epoch } });
      await worker.report(claim, train(1));
      await expect.poll(() => seen).toHaveLength(3);
      paused.pause();
      const toldAgain = Promise.all([called('progress', 3), called('events', 2)]);
      const reported = worker
        .report(claim, train(2))
        .then(() => worker.report(claim, { type: 'succeeded', result: 7 }));
      const away = { code: 'storage_unavailable', retryAfter: expect.any(Number) };
      const requests = [server.list(), server.get(id), server.enqueue({ payload: null })];
      for (const { reason } of (await Promise.allSettled(requests)) as PromiseRejectedResult[]) {
        expect(reason).toMatchObject(away);
      }
      await toldAgain;
      expect(claim.signal.aborted).toBe(false);
      paused.resume();
      await reported;
      await following;
      // What was told three times is noted once.
      expect(seen.map(({ data }) => (data.type === 'state' ? data.state : data.progress))).toEqual([
        'queued',
        'running',
        { phase: 'training', epoch: 1 },
        { phase: 'training', epoch: 2 },
        'succeeded',
      ]);
      expect(await server.list()).toMatchObject([{ id, state: 'succeeded', result: 7, attempts: 1 }]);
    });

    test('a request whose answer was lost holds neither its key nor its place when it is back', async () => {
      // It is not the place's lease that runs out.
      const limits = { leaseMs: 3_600_000, maxQueued: 1 };
      const [server, other] = [await openThere(limits), await openThere(limits)];
      // Redis knows the script by then, so the next call of it is one command.
      const { id } = await server.enqueue({ payload: null });
      await server.cancel(id);
      const request = { payload: null, idempotency: { key: 'again', fingerprint: 'photos' } };
      paused.pause();
      await expect(server.enqueue(request)).rejects.toMatchObject({ code: 'storage_unavailable' });
      paused.resume();
      const jobs = await Promise.all([server.enqueue(request), other.enqueue(request)]);
      expect(new Set(jobs.map((job) => job.id)).size).toBe(1);
      expect((await server.list()).filter(({ state }) => state === 'queued')).toHaveLength(1);
    });

    test('for longer than its lease, the worker loses its job, and another ends it', async () => {
      const limits = { leaseMs: 1_000, maxAttempts: 10 };
      const [server, worker] = [await openThere(limits), await openThere(limits)];
      const { id } = await server.enqueue({ payload: null });
      const claim = await claimed(worker);
      const seen: JobEvent[] = [];
      const following = follow(server.events(id), seen);
      await expect.poll(() => seen).toHaveLength(2);
      paused.pause();
      await expect(worker.report(claim, { type: 'succeeded', result: 'too late' })).rejects.toThrow(ClaimLostError);
      expect(claim.signal.reason).toBeInstanceOf(ClaimLostError);
      paused.resume();
      const other = await openThere({ maxAttempts: 10 });
      const next = await claimed(other);
      expect(next.job).toMatchObject({ id, result: null });
      expect(next.job.attempts).toBeGreaterThan(1);
      await other.report(next, { type: 'succeeded', result: 7 });
      await following;
      expect(await server.get(id)).toMatchObject({ state: 'succeeded', result: 7 });
    });
  });

  test('a Redis that may lose jobs is warned of', async () => {
    const careless = await RedisServer.start();
    const warningsOf = async () => {
      const queue = await openQueue(careless, ownPrefix());
      const { warnings } = queue;
      await queue.close();
      return warnings;
    };
    try {
      expect(await warningsOf()).toEqual([]);
      const client = new Redis(careless.url);
      await client.config('SET', 'appendonly', 'no');
      await client.config('SET', 'maxmemory', '100mb', 'maxmemory-policy', 'allkeys-lru');
      client.disconnect();
      expect(await warningsOf()).toEqual([
        expect.stringContaining('appendonly yes'),
        expect.stringContaining('maxmemory-policy noeviction'),
      ]);
    } finally {
      await careless.dispose();
    }
  });
});

async function follow(events: AsyncIterable<JobEvent>, into: JobEvent[]): Promise<void> {
  for await (const event of events) into.push(event);
}

async function claimed(queue: JobQueue | undefined): Promise<Claim> {
  const claim = await queue?.claim();
  if (claim === undefined) throw new Error('nothing to claim');
  return claim;
}

async function collect(events: AsyncIterable<JobEvent>): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

async function first(events: AsyncIterable<JobEvent>, count: number): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for await (const event of events) {
    all.push(event);
    if (all.length === count) break;
  }
  return all;
}
