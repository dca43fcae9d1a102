/**
 * Our server against the floor and against the plain way: npm run bench [-- --models a,b --concurrency 1,64 --seconds 4 --rounds 3 --warm-up 20 --photos folder]
 *
 * - floor: the same decoding and sessions called directly, one process for each core (scripts/bench/floor-process.ts)
 * - plain: decode and `session.run` inside an Express handler, default options (scripts/bench/plain-server.ts)
 * - resting: the same, but the runtime's threads sleep between two runs, as ours do, instead of keeping a core busy
 * - ours: `npm start`'s server over HTTP
 *
 * The servers are under load for a while first: V8 compiles a server's code over its first thousands of requests, which
 * costs 6 % of the CPU meanwhile, and a server runs for days. All take turns within each round, and ratios are taken
 * within a round, so that a machine whose speed drifts drifts for all of them. Figures are medians over the rounds.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
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

const { values: options } = parseArgs({
  options: {
    models: { type: 'string', default: 'resnet18_slim.tiny200,vgg11_bn_slim.tiny200,inception_v1_slim.tiny200' },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    'warm-up': { type: 'string', default: '20' },
    concurrency: { type: 'string', default: '1,8,64' },
    photos: { type: 'string', default: existsSync('../shared/data/photos') ? '../shared/data/photos' : '' },
  },
});
const seconds = Number(options.seconds);
const rounds = Number(options.rounds);
const warmUpSeconds = Number(options['warm-up']);
const photos = options.photos === '' ? '' : resolve(options.photos);
const cores = availableParallelism();
// Models of one's own are found where they are; else nothing is left behind.
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
  for (const name of options.models.split(',')) {
    const version = services.registry.resolve(name);
    const { onnx } = await services.conversions.get(version);
    const { preprocessing, labels } = version.manifest;
    const model = { name, onnxPath: onnx.path, preprocessing, labels: labels.map(({ label }) => label) };
    const plain = await startPlain(model);
    const resting = await startPlain(model, 'resting');
    const servers = { plain, resting, ours: ours.serve(name) };
    for (const server of Object.values(servers)) await load(server, 8, warmUpSeconds);
    console.log(`\n${name}\n    c          img/s      p50      p95      p99  loop p99  ratio to the floor`);
    for (const concurrency of options.concurrency.split(',').map(Number)) {
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
