import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { RedisJobRecords } from '../../../src/jobs/redis/redis-job-records.ts';
import { ownPrefix } from './redis-harness.ts';
import { HAS_REDIS, RedisServer, WITHOUT_REDIS } from './redis-server.ts';

const LIMITS = { maxAttempts: 3, keepFinished: 100, maxEvents: 100 };
const PLACES = { maxQueued: 16, maxQueuedPerOwner: 8, leaseMs: 60_000 };
const REQUEST = { payload: null };

describe.skipIf(!HAS_REDIS)(`records of jobs on a real Redis${WITHOUT_REDIS}`, () => {
  let server: RedisServer;
  let client: Redis;
  let records: RedisJobRecords;
  let prefix: string;

  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.url);
    // It may be there before the server listens.
    client.on('error', () => undefined);
  });
  afterAll(async () => {
    client.disconnect();
    await server.dispose();
  });
  beforeEach(async () => {
    prefix = ownPrefix();
    records = new RedisJobRecords(client, prefix);
    await records.configure(LIMITS);
  });

  test('a job that cannot be handed over is withdrawn, unless the key of its request has told it to another', async () => {
    const idempotency = { key: 'again', fingerprint: 'photos' };
    const { id } = await records.reserve({ ...REQUEST, idempotency }, PLACES);
    await records.create(id, REQUEST);
    expect(await records.reserve({ ...REQUEST, idempotency }, PLACES)).toEqual({ outcome: 'made', id });
    expect(await records.withdraw(id)).toBe(false);

    const other = await records.reserve(REQUEST, PLACES);
    await records.create(other.id, REQUEST);
    expect(await records.withdraw(other.id)).toBe(true);
    expect((await records.list()).map((job) => job.id)).toEqual([id]);
  });

  test('the list that scalers of workers read has the jobs that are queued or running, and no others', async () => {
    const unfinished = () => client.lrange(`${prefix}:unfinished`, 0, -1);
    const make = async () => {
      const { id } = await records.reserve(REQUEST, PLACES);
      await records.create(id, REQUEST);
      return id;
    };
    const [one, two, three] = [await make(), await make(), await make()];
    const place = await records.reserve(REQUEST, PLACES);
    expect(await unfinished()).toEqual([one, two, three]);
    await client.set('lock', 'token');
    await records.claim(one, 'token', 'lock');
    expect(await unfinished()).toEqual([one, two, three]);
    await records.giveBack(one, 'token');
    await records.requestCancel(two);
    expect(await unfinished()).toEqual([one, three]);
    await records.claim(one, 'token', 'lock');
    await records.succeed(one, 'token', null);
    await records.withdraw(place.id);
    expect(await unfinished()).toEqual([three]);

    // As a release that did not know the list has left it.
    await client.del(`${prefix}:unfinished`);
    await records.unfinished();
    expect(await unfinished()).toEqual([three]);
    await records.withdraw(three);
    expect(await unfinished()).toEqual([]);
  });

  test('a place is no job, and holds its place until it is not renewed any more', async () => {
    const one = { ...PLACES, maxQueued: 1 };
    const { id } = await records.reserve(REQUEST, one);
    expect(await records.get(id)).toBeUndefined();
    expect(await records.list()).toEqual([]);
    await records.leftovers(60_000);
    expect((await records.reserve(REQUEST, one)).outcome).toBe('full');
    await records.leftovers(-1);
    expect((await records.reserve(REQUEST, one)).outcome).toBe('reserved');
    expect(await records.create(id, REQUEST)).toBeUndefined();
  });

  test('a place whose holder did not hear that it has it is freed, and no other', async () => {
    const idempotency = { key: 'again', fingerprint: 'photos' };
    const own = await records.reserve(REQUEST, PLACES);
    const { evalsha } = client;
    // Redis does what it was told, but its answer is lost.
    vi.spyOn(client, 'evalsha').mockImplementationOnce(async (...command) => {
      await Reflect.apply(evalsha, client, command);
      throw new Error('Command timed out');
    });
    await expect(records.reserve({ ...REQUEST, idempotency }, PLACES)).rejects.toMatchObject({
      code: 'storage_unavailable',
    });
    expect((await records.reserve({ ...REQUEST, idempotency }, PLACES)).outcome).toBe('pending');
    expect(records.hasUnanswered).toBe(true);
    await records.freeUnanswered();
    expect(records.hasUnanswered).toBe(false);
    expect((await records.reserve({ ...REQUEST, idempotency }, PLACES)).outcome).toBe('reserved');
    expect(await records.create(own.id, REQUEST)).toMatchObject({ state: 'queued' });
  });

  test('nothing stays of places and jobs that are withdrawn, abandoned or forgotten', async () => {
    await records.configure({ ...LIMITS, keepFinished: 0 });
    const place = (key: string) =>
      records.reserve({ ...REQUEST, owner: 'a', idempotency: { key, fingerprint: 'photos' } }, PLACES);
    const [withdrawn, finished] = [await place('withdrawn'), await place('finished')];
    await records.withdraw(withdrawn.id);
    await records.create(finished.id, REQUEST);
    await records.requestCancel(finished.id);
    await place('abandoned');
    await records.leftovers(-1);
    expect((await client.keys(`${prefix}*`)).sort()).toEqual([`${prefix}:limits`, `${prefix}:newest`]);
  });
});
