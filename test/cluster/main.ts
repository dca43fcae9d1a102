/** Servers and workers on one Redis and one bucket, under load and under faults: nothing acknowledged may be lost. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCommandLine, UsageError, wholeNumber } from '../../scripts/command-line.ts';
import { seededRandom } from '../../src/common/random.ts';
import { HAS_REDIS } from '../jobs/redis/redis-server.ts';
import { planFaults } from './faults/plan.ts';
import { judge } from './oracle/oracle.ts';
import { report } from './report.ts';
import { runStorm } from './storm.ts';

const USAGE = `usage: npm run test:cluster -- [options]

Starts a Redis, an S3 API in memory, two servers and two workers with clocks up to twenty minutes
apart, joined by proxies; trains, promotes, removes, classifies, cancels and follows; and kills,
pauses, cuts, slows and fills what it can at random moments. Then everything is healed, and what
was acknowledged is compared with what is there. Exits with 1 when something is wrong; logs and
the history of the run are kept then.

  --moments <n>   faults (default: 200)
  --seed <n>      seed of the random numbers (default: 1)
  --gap <s>       mean seconds between faults (default: 10)
  --s3 <url>      an S3 API that runs already, such as moto_server`;

const RECOVERY = { serversMs: 120_000, jobsMs: 600_000 };
const MOVES_AT_REST = 20;
const MOST_LASTS_MS = 12_000;

const { moments, seed, gap, s3 } = readCommandLine(
  USAGE,
  {
    moments: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    gap: { type: 'string', default: '10' },
    s3: { type: 'string' },
  },
  ({ values }) => {
    if (values.s3 !== undefined && !URL.canParse(values.s3)) throw new UsageError(`--s3: "${values.s3}" is no address`);
    return {
      moments: wholeNumber('--moments', values.moments, 1),
      seed: wholeNumber('--seed', values.seed, 0),
      gap: wholeNumber('--gap', values.gap, 1),
      s3: values.s3,
    };
  },
);
if (!HAS_REDIS) {
  console.error('redis-server is not installed: apt-get install redis-server');
  process.exit(2);
}

const folder = await mkdtemp(join(tmpdir(), 'cluster-'));
const history = await runStorm({
  seed,
  faults: planFaults(seededRandom(seed), moments, { gapMs: gap * 1_000, lastsMs: MOST_LASTS_MS }),
  folder,
  recovery: RECOVERY,
  movesAtRest: MOVES_AT_REST,
  tell: (line) => console.log(line),
  ...(s3 !== undefined && { s3 }),
});
const violations = judge(history.facts);
for (const line of report(history.facts, violations)) console.log(line);
if (violations.length === 0) await rm(folder, { recursive: true, maxRetries: 5 });
else console.log(`logs and history: ${folder}`);
process.exitCode = violations.length === 0 ? 0 : 1;
