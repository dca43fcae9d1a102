/** Loads the server for an hour at a share of what it can answer, with a fine-tune every minute, and judges what it saw. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { start } from './bench/child.ts';
import { createLoad } from './bench/load.ts';
import { OpenLoop } from './bench/open-loop.ts';
import { writePhotos } from './bench/photos.ts';
import { expectEnd, readCommandLine, wholeNumber } from './command-line.ts';
import { leftovers } from './kill-storm/checks.ts';
import { colourZip } from './labelled-zip.ts';
import { type ServerProcess, startServer, untilReady } from './server-process.ts';
import { type Minute, minuteLine, minuteRecord } from './soak/minute.ts';
import { countEntries, ProcessSampler } from './soak/process-sampler.ts';
import { SoakedServer } from './soak/soaked-server.ts';
import { type Finding, judge } from './soak/verdict.ts';

const USAGE = `usage: npm run soak -- [options]

Measures how many images a second the server answers, then offers it a share of that at random
times, with a fine-tune every minute. Prints a line a minute, and at the end whether the memory
stayed flat, nothing failed, and the 99th percentile stayed what it was. Exits with 1 if not.

  --minutes <n>     duration (default: 60)
  --share <n>       per cent of the capacity that is offered (default: 70)
  --capacity <n>    seconds of the measurement of the capacity, after as many to warm up
                    (default: 20)
  --photos <folder> JPEGs to send (default: made-up pictures)
  --json <file>     each minute, and what was found, as lines of JSON (default: soak.jsonl)`;

const { minutes, share, capacitySeconds, photoFolder, json } = readCommandLine(
  USAGE,
  {
    minutes: { type: 'string', default: '60' },
    share: { type: 'string', default: '70' },
    capacity: { type: 'string', default: '20' },
    photos: { type: 'string' },
    json: { type: 'string', default: 'soak.jsonl' },
  },
  ({ values, positionals }) => {
    expectEnd(positionals);
    return {
      minutes: wholeNumber('--minutes', values.minutes, 1),
      share: wholeNumber('--share', values.share, 1),
      capacitySeconds: wholeNumber('--capacity', values.capacity, 1),
      photoFolder: values.photos,
      json: resolve(values.json),
    };
  },
);

const PATH = '/classify';
const CONCURRENCY = 32;
/** How long the jobs that are left may take at the end. */
const SETTLE_MS = 120_000;

/** Images a second with many requests at once. */
async function capacityOf(server: ServerProcess, photos: string): Promise<number> {
  const client = start('load-client.js', [photos]);
  await once(client, 'message');
  const load = createLoad(client, 'form');
  const target = { child: server.child, port: Number(new URL(server.url).port), path: PATH };
  await load(target, CONCURRENCY, capacitySeconds);
  const { throughput } = await load(target, CONCURRENCY, capacitySeconds);
  client.disconnect();
  return throughput;
}

/** Submits a fine-tune at the beginning of each minute of the soak. */
async function teachEveryMinute(soaked: SoakedServer, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  for (let minute = 0; minute < minutes && !signal.aborted; minute++) {
    await delay(startedAt + 60_000 * minute - performance.now(), undefined, { signal }).catch(() => undefined);
    if (!signal.aborted) await soaked.finetune();
  }
}

/** Offers the load and looks at the server, minute by minute. */
async function soak(server: ServerProcess, rate: number, dataDir: string, temporary: string): Promise<Minute[]> {
  const soaked = new SoakedServer(server.url, await colourZip(20));
  const sampler = new ProcessSampler(server.child.pid ?? 0);
  const loop = await OpenLoop.start(join(workDir, 'photos'));
  const seen: Minute[] = [];
  const ended = new AbortController();
  const teaching = teachEveryMinute(soaked, ended.signal);
  try {
    const task = {
      ports: [Number(new URL(server.url).port)],
      path: PATH,
      rate,
      seconds: 60 * minutes,
      seed: 1,
      reportSeconds: 60,
    };
    for await (const { due, latencies, failures } of loop.offer(task)) {
      const jobs = await soaked.countJobs();
      await soaked.removeOldVersions();
      const folders = [temporary, join(dataDir, 'work'), join(dataDir, 'uploads')];
      const minute: Minute = {
        minute: seen.length + 1,
        due,
        latencies,
        errors: { ...failures, ...soaked.takeErrors() },
        ...sampler.take(),
        temporaryFiles: folders.reduce((sum, folder) => sum + countEntries(folder), 0),
        jobs,
      };
      seen.push(minute);
      console.log(minuteLine(minute));
      await appendFile(json, `${JSON.stringify(minuteRecord(minute))}\n`);
    }
  } finally {
    ended.abort();
    sampler.close();
    loop.close();
  }
  await teaching;
  const last = seen.pop();
  return last === undefined ? [] : [...seen, await withLateJobs(last, soaked)];
}

/** The last minute with the jobs that end after it; those that do not count as failed. */
async function withLateJobs(last: Minute, soaked: SoakedServer): Promise<Minute> {
  const deadline = performance.now() + SETTLE_MS;
  let { succeeded, failed } = last.jobs;
  for (;;) {
    const late = await soaked.countJobs();
    const isOver = late.unfinished === 0 || performance.now() > deadline;
    succeeded += late.succeeded;
    failed += late.failed + (isOver ? late.unfinished : 0);
    if (isOver) break;
    await delay(500);
  }
  return { ...last, errors: { ...last.errors, ...soaked.takeErrors() }, jobs: { succeeded, failed, unfinished: 0 } };
}

async function endFindings(server: ServerProcess, dataDir: string): Promise<Finding[]> {
  const left = await leftovers(dataDir);
  server.child.kill('SIGTERM');
  const code = await server.exit;
  return [
    { holds: left.length === 0, text: `left over: ${left.join(', ') || 'nothing'}` },
    { holds: code === 0, text: `SIGTERM: ended with ${code}` },
  ];
}

const workDir = await mkdtemp(join(tmpdir(), 'menagerie-soak-'));
const [dataDir, temporary, photos] = [join(workDir, 'data'), join(workDir, 'tmp'), join(workDir, 'photos')];
for (const folder of [dataDir, temporary, photos]) await mkdir(folder);
await writePhotos(photoFolder, photos);
await writeFile(json, '');
const server = await startServer(dataDir, { TMPDIR: temporary, REQUESTS_PER_MINUTE: '0' }, [
  process.execPath,
  '--initial-old-space-size=128',
  'scripts/start.mjs',
]);
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    server.child.kill('SIGKILL');
    rmSync(workDir, { recursive: true, force: true, maxRetries: 5 });
    process.exit(code);
  });
}
try {
  await untilReady(server);
  const capacity = await capacityOf(server, photos);
  const rate = (capacity * share) / 100;
  console.log(`capacity ${capacity.toFixed(1)} images/s; ${rate.toFixed(1)} are offered for ${minutes} minutes`);
  const seen = await soak(server, rate, dataDir, temporary);
  const findings = [...judge(seen), ...(await endFindings(server, dataDir))];
  await appendFile(json, `${JSON.stringify({ capacity, rate, findings })}\n`);
  for (const { holds, text } of findings) console.log(`${holds ? 'holds ' : 'FAILS '} ${text}`);
  process.exitCode = findings.every(({ holds }) => holds) ? 0 : 1;
} finally {
  server.child.kill('SIGKILL');
  await server.exit;
  await rm(workDir, { recursive: true, force: true, maxRetries: 5 });
}
