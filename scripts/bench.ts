/**
 * Our server against the floor and against the plain way: npm run bench [-- --models a,b --concurrency 1,64 --seconds 4 --rounds 3 --warm-up 20 --photos folder]
 *
 * - floor: the same decoding and sessions called directly, one process for each core (scripts/bench/floor-process.ts)
 * - plain: decode and `session.run` inside an Express handler, default options (scripts/bench/plain-server.ts)
 * - ours: `npm start`'s server over HTTP
 *
 * Both servers are under load for a while first: V8 compiles a server's code over its first thousands of requests, which
 * costs 6 % of the CPU meanwhile, and a server runs for days. The three take turns within each round, and ratios are taken
 * within a round, so that a machine whose speed drifts drifts for all of them. Figures are medians over the rounds.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServices } from '../src/server.ts';
import type { BenchModel } from './bench/bench-model.ts';
import { cpuSeconds } from './bench/cpu-time.ts';
import type { FloorTask } from './bench/floor-process.ts';
import type { LoadResult, LoadTask } from './bench/load-client.ts';
import { type Measurement, median, row } from './bench/measurement.ts';
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

function start(script: string, args: readonly string[] = []): ChildProcess {
  return fork(join(import.meta.dirname, 'bench', script), args, { serialization: 'advanced' });
}

/** @throws when the process ends instead of answering */
async function ask<Reply>(child: ChildProcess, message: object | string): Promise<Reply> {
  const settled = new AbortController();
  const { signal } = settled;
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`a process of the benchmark ended with ${code}`);
  });
  child.send(message);
  const [reply] = await Promise.race([once(child, 'message', { signal }), ended]);
  settled.abort();
  return reply as Reply;
}

const client = start('load-client.js', [photos]);
const floors = Array.from({ length: cores }, () => start('floor-process.js', [photos]));
await Promise.all([client, ...floors].map((child) => once(child, 'message')));

async function measureFloor(model: BenchModel, concurrency: number): Promise<Measurement> {
  const processes = floors.slice(0, Math.min(cores, concurrency));
  const task: FloorTask = {
    model,
    inFlight: Math.ceil(concurrency / processes.length),
    maxBatch: readConfig({}).MAX_BATCH_SIZE,
    threads: Math.floor(cores / processes.length),
    seconds,
  };
  const results = await Promise.all(processes.map((child) => ask<WindowResult>(child, task)));
  return {
    throughput: results.reduce((sum, { throughput }) => sum + throughput, 0),
    latencies: results.flatMap(({ latencies }) => latencies).sort((a, b) => a - b),
  };
}

async function load(server: ChildProcess, task: LoadTask): Promise<Measurement> {
  const pids = [server.pid ?? 0, client.pid ?? 0];
  const before = pids.map(cpuSeconds);
  const { throughput, latencies, answers, failures } = await ask<LoadResult>(client, task);
  const after = pids.map(cpuSeconds);
  if (server === ours.child && Object.keys(failures).length > 0) {
    throw new Error(`unexpected answers: ${JSON.stringify(failures)}`);
  }
  const each = (index: number, whose: 'own' | 'children'): number =>
    (((after[index]?.[whose] ?? 0) - (before[index]?.[whose] ?? 0)) * 1000) / answers;
  return {
    throughput,
    latencies,
    failures: Object.values(failures).reduce((sum, count) => sum + count, 0),
    cpu: { own: each(0, 'own'), children: each(0, 'children'), client: each(1, 'own') },
  };
}

async function startOurs(): Promise<{ child: ChildProcess; port: number }> {
  const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as { scripts: { start: string } };
  // node, its flags, the script
  const [, ...words] = scripts.start.split(' ');
  const child = fork(words.at(-1) ?? '', {
    execArgv: words.slice(0, -1),
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'info' },
  });
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += chunk;
    const port = /"port":(\d+)/.exec(text)?.[1];
    if (port !== undefined) {
      child.stdout?.resume();
      return { child, port: Number(port) };
    }
  }
  throw new Error(`the server did not start:\n${text}`);
}

/** Settles when the server has nothing to do beside serving: after a conversion it compares a model's formats. */
async function settled(port: number): Promise<void> {
  const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).json() as Promise<unknown>;
  const { models } = (await get('/models')) as { models: { id: string }[] };
  for (const { id } of models) {
    while (((await get(`/models/${id}`)) as { parity: { state: string } }).parity.state === 'pending') {
      await setTimeout(500);
    }
  }
}

/** 99th percentile of the server's event-loop delay since it was last asked, from its own metrics. */
async function ourEventLoopDelay(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^menagerie_event_loop_delay_seconds\{quantile="0.99"\} ([\d.e+-]+)/m.exec(text)?.[1]) * 1000;
}

console.log(`${cpus()[0]?.model.trim()} x ${cores}, Node ${process.version}; ${rounds} rounds of ${seconds} s each`);
const services = await createServices(readConfig({ DATA_DIR: dataDir }), createLogger('silent'));
const ours = await startOurs();
await settled(ours.port);
try {
  for (const name of options.models.split(',')) {
    const version = services.registry.resolve(name);
    const { onnx } = await services.conversions.get(version);
    const { preprocessing, labels } = version.manifest;
    const model = { name, onnxPath: onnx.path, preprocessing, labels: labels.map(({ label }) => label) };
    const plain = start('plain-server.js');
    const plainPort = await ask<number>(plain, model);
    const ourPath = `/classify?model=${name}`;
    for (const warm of [plain, ours.child]) {
      const port = warm === plain ? plainPort : ours.port;
      await load(warm, { port, path: ourPath, concurrency: 8, seconds: warmUpSeconds });
    }
    console.log(`\n${name}\n    c        img/s      p50      p95      p99  loop p99  ratio to the floor`);
    for (const concurrency of options.concurrency.split(',').map(Number)) {
      const results: Record<'floor' | 'plain' | 'ours', Measurement[]> = { floor: [], plain: [], ours: [] };
      for (let round = 0; round < rounds; round++) {
        results.floor.push(await measureFloor(model, concurrency));
        await ask<number>(plain, 'event-loop-delay');
        const plainly = await load(plain, { port: plainPort, path: '/classify', concurrency, seconds });
        results.plain.push({ ...plainly, eventLoopDelay: await ask<number>(plain, 'event-loop-delay') });
        await ourEventLoopDelay(ours.port);
        const own = await load(ours.child, { port: ours.port, path: ourPath, concurrency, seconds });
        results.ours.push({ ...own, eventLoopDelay: await ourEventLoopDelay(ours.port) });
      }
      for (const [way, measurements] of Object.entries(results)) {
        console.log(`${String(concurrency).padStart(5)} ${row(way, measurements, results.floor)}`);
      }
      const toPlain = results.ours.map((m, round) => m.throughput / (results.plain[round]?.throughput ?? Number.NaN));
      const cpu = (whose: 'own' | 'children' | 'client') =>
        median(results.ours.map((m) => m.cpu?.[whose] ?? 0)).toFixed(2);
      const floorMs = median(results.floor.map(({ throughput }) => (1000 * Math.min(cores, concurrency)) / throughput));
      const lost = results.plain.reduce((sum, m) => sum + (m.failures ?? 0), 0);
      if (lost > 0) console.log(`      plain left ${lost} requests without their answer`);
      console.log(
        `      ours / plain ${median(toPlain).toFixed(2)}; CPU ms an image: floor ${floorMs.toFixed(2)}; ` +
          `ours ${cpu('own')} server (HTTP and decoding) + ${cpu('children')} engines + ${cpu('client')} load client`,
      );
    }
    plain.disconnect();
  }
} finally {
  ours.child.kill();
  client.disconnect();
  for (const floor of floors) floor.disconnect();
  await services.close();
  if (process.env['DATA_DIR'] === undefined) await rm(dataDir, { recursive: true, force: true });
}
