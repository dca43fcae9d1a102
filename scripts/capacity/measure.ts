import { once } from 'node:events';
import { join } from 'node:path';
import { createLogger } from '../../src/common/logger.ts';
import { readConfig } from '../../src/config.ts';
import { createServices, type Services } from '../../src/services.ts';
import { engineModels } from '../../src/serving/engine-models.ts';
import { start } from '../bench/child.ts';
import { cpuMeter, threadCpuMs } from '../bench/cpu-time.ts';
import { createLoad } from '../bench/load.ts';
import { median } from '../bench/measurement.ts';
import { startOurs } from '../bench/served.ts';
import { childrenOf, residentBytesOf } from '../server-process.ts';
import type { Figures } from './figures.ts';

const SIZES = [1, 2, 4, 8, 16];
/** Runs of each size on each engine, of which the median counts. */
const RUNS = 15;
/** Requests at once that keep every core busy. */
const CONCURRENCY = 64;

/** What is measured, and for how long. */
export interface MeasureOptions {
  readonly model: string;
  /** A folder of JPEGs. */
  readonly photos: string;
  readonly workDir: string;
  /** Seconds of load before the measurement, in which V8 compiles what is often used. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** Measures a model on this machine: first its engines alone, with every core busy, then a server under load. */
export async function measureFigures(options: MeasureOptions): Promise<Figures> {
  const { model, photos, workDir, warmUpSeconds, seconds } = options;
  const config = readConfig({ DATA_DIR: join(workDir, 'engines') });
  const services = await createServices(config, createLogger('silent'));
  const batches = await batchCosts(model, services, config).finally(() => services.close());

  const client = start('load-client.js', [photos]);
  await once(client, 'message');
  const ours = await startOurs(join(workDir, 'server'));
  const { pid = 0 } = ours.child;
  try {
    const way = ours.serve(model, createLoad(client, 'form'));
    await way.measure(CONCURRENCY, warmUpSeconds);
    const [before, serverCpu] = [threadCpuMs(pid), cpuMeter([ours.child])];
    const { cpu } = await way.measure(CONCURRENCY, seconds);
    const http = (cpu.server * (threadCpuMs(pid) - before)) / serverCpu('own');
    const engines = childrenOf(pid).map((child) => residentBytesOf(child) / 1e6);
    return {
      model,
      http_ms: http,
      decode_ms: Math.max(0, cpu.server - http),
      batches,
      server_mb: residentBytesOf(pid) / 1e6,
      engine_mb: Math.max(...engines),
    };
  } finally {
    ours.child.kill();
    client.disconnect();
  }
}

type Settings = ReturnType<typeof readConfig>;

/** CPU milliseconds of batches by size, while all engines compute. */
async function batchCosts(name: string, services: Services, config: Settings): Promise<[number, number][]> {
  const { engines, registry, conversions } = services;
  const version = registry.resolve(name);
  const { many } = engineModels(version, await conversions.get(version), 'onnx', {
    threads: config.engineThreads,
    cores: config.cores,
    memoryBytes: Number.POSITIVE_INFINITY,
    concurrency: (model) => engines.concurrency(model),
  });
  const [height, width] = version.manifest.preprocessing.inputSize;
  const costs: [number, number][] = [];
  for (const size of SIZES) {
    const data = Uint8Array.from({ length: size * height * width * 3 }, (_, index) => (index * 37) % 256);
    const runs = Array.from({ length: engines.concurrency(many) }, async () => {
      const lease = await engines.acquire(many, 'interactive');
      const each: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        await lease.run({ data, shape: [size, height, width, 3] }, ['probabilities']);
        each.push(lease.cpuMs);
      }
      lease.release();
      return each;
    });
    costs.push([size, median((await Promise.all(runs)).flat())]);
  }
  return costs;
}
