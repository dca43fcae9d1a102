import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HAS_REDIS, WITHOUT_REDIS } from '../jobs/redis/redis-server.ts';
import type { Fault, FaultKind } from './faults/plan.ts';
import { factsOf } from './history.ts';
import { judge } from './oracle/oracle.ts';
import { runStorm } from './storm.ts';

const fault = (kind: FaultKind, link: Fault['link'] = 'cut'): Fault => ({
  kind,
  gapMs: 3_000,
  lastsMs: 3_000,
  // The server that works on no jobs: a job of a machine that is killed waits for a minute, for which worker.slow.ts is there.
  target: 0,
  link,
  share: 1,
});
const FAULTS = [
  fault('kill server'),
  fault('kill redis'),
  fault('s3 error'),
  fault('redis link', 'paused'),
  fault('s3 lost'),
  fault('s3 link'),
];

describe.skipIf(!HAS_REDIS)(`two servers and two workers on one Redis and one bucket${WITHOUT_REDIS}`, () => {
  test('lose nothing that was acknowledged when they, and what they stand on, fail', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cluster-'));
    const lines: string[] = [];
    const { facts } = await runStorm({
      seed: 1,
      faults: FAULTS,
      folder,
      recovery: { serversMs: 120_000, jobsMs: 240_000 },
      movesAtRest: 4,
      tell: (line) => lines.push(line),
    });
    expect(judge(facts), `${lines.join('\n')}\nlogs: ${folder}`).toEqual([]);
    // It was not idle.
    expect(factsOf(facts, 'outage')).toHaveLength(FAULTS.length);
    expect(factsOf(facts, 'submit').some(({ job }) => job !== null)).toBe(true);
    expect(factsOf(facts, 'audit').some(({ numbers }) => numbers.some(({ state }) => state === 'present'))).toBe(true);
    await rm(folder, { recursive: true, maxRetries: 5 });
  });
});
