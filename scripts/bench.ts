/**
 * Measures the server under load against three other ways to serve:
 *
 * - floor: the same decoding and sessions called directly, one process for each core (scripts/bench/floor-process.ts)
 * - plain: decode and `session.run` inside an Express handler, default options (scripts/bench/plain-server.ts)
 * - resting: the same, but the runtime's threads sleep between two runs, as in our server, instead of keeping a core
 *   busy
 * - ours: the server of `npm start` over HTTP
 *
 * All servers are under load for a while first: V8 compiles the code of a server during its first thousands of
 * requests, which costs 6 % of the CPU. They take turns within each round, and ratios are computed within a round, so
 * that changes of the machine's speed affect all of them alike. The figures are medians over the rounds.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createLogger } from '../src/common/logger.ts';
import { readConfig } from '../src/config.ts';
import { createServices } from '../src/services.ts';
import type { BenchModel } from './bench/bench-model.ts';
import { ask, start } from './bench/child.ts';
import { cpuMeter } from './bench/cpu-time.ts';
import type { FloorTask } from './bench/floor-process.ts';
import type { LoadResult, LoadTask } from './bench/load-client.ts';
import type { Measurement } from './bench/measurement.ts';
import { type Results, report } from './bench/report.ts';
import { type Served, startOurs, startPlain } from './bench/served.ts';
import type { WindowResult } from './bench/window.ts';
import { expectEnd, readCommandLine, wholeNumber } from './command-line.ts';

const PHOTOS = existsSync('../shared/data/photos') ? '../shared/data/photos' : '';
const MODELS = 'resnet18_slim.tiny200,vgg11_bn_slim.tiny200,inception_v1_slim.tiny200';

const USAGE = `usage: npm run bench [-- options]

Measures throughput and latency of the server under load, in comparison with
  floor     the same decoding and sessions called directly, one process for each core
  plain     decode and session.run inside an Express handler
  resting   the same, with threads that sleep between two runs

  --models <name,...>      models to measure (default: the three embedded models)
  --concurrency <n,...>    concurrent requests (default: 1,8,64)
  --seconds <n>            duration of one measurement (default: 4)
  --rounds <n>             measurements of each, taken in turns (default: 3)
  --warm-up <n>            seconds of load before the first measurement (default: 20)
  --photos <folder>        JPEGs to send (default: made-up pictures)`;

const options = readCommandLine(
  USAGE,
  {
    models: { type: 'string', default: MODELS },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    'warm-up': { type: 'string', default: '20' },
    concurrency: { type: 'string', default: '1,8,64' },
    photos: { type: 'string', default: PHOTOS },
  },
  ({ values, positionals }) => {
    expectEnd(positionals);
    return {
      models: values.models.split(','),
      concurrencies: values.concurrency.split(',').map((text) => wholeNumber('--concurrency', text, 1)),
      seconds: wholeNumber('--seconds', values.seconds, 1),
      rounds: wholeNumber('--rounds', values.rounds, 1),
      warmUpSeconds: wholeNumber('--warm-up', values['warm-up'], 0),
      photos: values.photos === '' ? '' : resolve(values.photos),
    };
  },
);
const { seconds, rounds, warmUpSeconds, photos } = options;
const cores = availableParallelism();
// With DATA_DIR the user's own models can be measured; otherwise a temporary folder leaves nothing behind.
const dataDir = process.env['DATA_DIR'] ?? (await mkdtemp(join(tmpdir(), 'menagerie-bench-')));

const client = start('load-client.js', [photos]);
const floors = Array.from({ length: cores }, () => start('floor-process.js', [photos]));
await Promise.all([client, ...floors].map((child) => once(child, 'message')));

async function measureFloor(model: BenchModel, concurrency: number): Promise<Measurement> {
  const processes = floors.slice(0, Math.min(cores, concurrency));
  const task: FloorTask = {
    model,
    inFlight: Math.ceil(concurrency / processes.length),
    maxBatch: readConfig({}).maxBatchSize,
    threads: Math.floor(cores / processes.length),
    seconds,
  };
  const cpu = cpuMeter(processes);
  const results = await Promise.all(processes.map((child) => ask<WindowResult>(child, task)));
  const answers = results.reduce((sum, result) => sum + result.answers, 0);
  return {
    throughput: results.reduce((sum, { throughput }) => sum + throughput, 0),
    latencies: results.flatMap(({ latencies }) => latencies).sort((a, b) => a - b),
    cpu: { server: cpu('own') / answers, engines: 0, client: 0 },
  };
}

async function load({ child, port, path }: Served, concurrency: number, seconds: number): Promise<Measurement> {
  const task: LoadTask = { port, path, concurrency, seconds };
  const [serverCpu, clientCpu] = [cpuMeter([child]), cpuMeter([client])];
  const { throughput, latencies, answers, failures } = await ask<LoadResult>(client, task);
  if (child === ours.child && Object.keys(failures).length > 0) {
    throw new Error(`unexpected answers: ${JSON.stringify(failures)}`);
  }
  return {
    throughput,
    latencies,
    failures: Object.values(failures).reduce((sum, count) => sum + count, 0),
    cpu: {
      server: serverCpu('own') / answers,
      engines: serverCpu('children') / answers,
      client: clientCpu('own') / answers,
    },
  };
}

console.log(`${cpus()[0]?.model.trim()} x ${cores}, Node ${process.version}; ${rounds} rounds of ${seconds} s each`);
const services = await createServices(readConfig({ DATA_DIR: dataDir }), createLogger('silent'));
const ours = await startOurs(dataDir);
try {
  for (const name of options.models) {
    const version = services.registry.resolve(name);
    const { onnx } = await services.conversions.get(version);
    const { preprocessing, labels } = version.manifest;
    const model = { name, onnxPath: onnx.path, preprocessing, labels: labels.map(({ label }) => label) };
    const plain = await startPlain(model);
    const resting = await startPlain(model, 'resting');
    const servers = { plain, resting, ours: ours.serve(name) };
    for (const server of Object.values(servers)) await load(server, 8, warmUpSeconds);
    console.log(`\n${name}\n    c          img/s      p50      p95      p99  loop p99  ratio to the floor`);
    for (const concurrency of options.concurrencies) {
      const results: Results = { floor: [], plain: [], resting: [], ours: [] };
      for (let round = 0; round < rounds; round++) {
        results.floor.push(await measureFloor(model, concurrency));
        for (const way of ['plain', 'resting', 'ours'] as const) {
          await servers[way].eventLoopDelay();
          const measurement = await load(servers[way], concurrency, seconds);
          results[way].push({ ...measurement, eventLoopDelay: await servers[way].eventLoopDelay() });
        }
      }
      for (const line of report(results, concurrency)) console.log(line);
    }
    plain.child.disconnect();
    resting.child.disconnect();
  }
} finally {
  ours.child.kill();
  client.disconnect();
  for (const floor of floors) floor.disconnect();
  await services.close();
  if (process.env['DATA_DIR'] === undefined) await rm(dataDir, { recursive: true, force: true });
}
