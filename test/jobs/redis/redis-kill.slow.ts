import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JobQueue } from '../../../src/jobs/job-queue.ts';
import {
  type Acknowledged,
  collect,
  expectAcknowledged,
  expectSoundLog,
  nothingYet,
  workAndKill,
} from '../acknowledged.ts';
import { openQueue } from './redis-harness.ts';
import { HAS_REDIS, RedisServer, WITHOUT_REDIS } from './redis-server.ts';

const ROUNDS = 4;
const PREFIX = '{menagerie}';

describe.skipIf(!HAS_REDIS)(`on a real Redis${WITHOUT_REDIS}`, () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.dispose());

  test('nothing acknowledged is lost when workers are killed, and Redis under them', async () => {
    const acknowledged = nothingYet();
    for (let round = 0; round < ROUNDS; round += 1) {
      let back = Promise.resolve();
      const killRedis = () => {
        back = back.then(() => server.kill()).then(() => server.run());
      };
      // Two processes work on the same jobs. Each time, Redis falls twice after another number of acknowledgements.
      const work = (name: string, facts: number, onFact?: (count: number) => void) =>
        workAndKill([server.folder, `${name}${round}`, server.url], facts, acknowledged, onFact);
      await Promise.all([
        work('one', 40 + 3 * round, (count) => {
          if (count === 7 + 2 * round || count === 21 + 3 * round) killRedis();
        }),
        work('two', 60 + 5 * round),
      ]);
      await back;
      await expectNothingLost(acknowledged);
    }
    expect([...acknowledged.ends.values()]).toEqual(expect.arrayContaining(['succeeded', 'cancelled']));
  });

  async function expectNothingLost(acknowledged: Acknowledged): Promise<void> {
    const queue = await openQueue(server, PREFIX, { keepFinished: 1000, leaseMs: 500 });
    await expect.poll(async () => (await queue.list()).map(({ state }) => state)).not.toContain('running');
    const jobs = await queue.list();
    expectAcknowledged(acknowledged, new Map(jobs.map((job) => [job.id, job])));
    await workOnAllThatWait(
      queue,
      jobs.filter(({ state }) => state === 'queued').map(({ id }) => id),
    );
    for (const job of await queue.list()) expectSoundLog(job, await collect(queue.events(job.id)));
    await queue.close();
  }

  /** Each that waits can be claimed once, with its archive. */
  async function workOnAllThatWait(queue: JobQueue, waiting: readonly string[]): Promise<void> {
    const claimed: (string | undefined)[] = [];
    for (const _ of waiting) {
      const claim = await queue.claim();
      claimed.push(claim?.job.id);
      const archive = String(await claim?.archivePath());
      expect(claim?.job.payload).toEqual({ label: readFileSync(archive, 'utf8') });
      if (claim) await queue.report(claim, { type: 'succeeded', result: { of: claim.job.id } });
    }
    expect(claimed.sort()).toEqual([...waiting].sort());
    expect(await queue.claim(AbortSignal.timeout(200))).toBeUndefined();
  }
});
