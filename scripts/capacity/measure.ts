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
import { OpenLoop } from '../bench/open-loop.ts';
import { startOurs } from '../bench/served.ts';
import type { Way } from '../bench/way.ts';
import { childrenOf, residentBytesOf } from '../server-process.ts';
import { batchMs, type Figures } from './figures.ts';
import { offer } from './offer.ts';

const SIZES = [1, 2, 4, 8, 16];
/** Runs of each size on each engine, of which the median counts. */
const RUNS = 15;
/** Requests at once that keep every core busy. */
const CONCURRENCY = 64;
/** Shares of what the server can answer at which an image is measured. */
const SHARES = [0.05, 0.12, 0.25, 0.5, 0.75];

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

/**
 * Measures a model on this machine: first its engines alone, with every core busy, then a server that gets shares of what
 * it can answer at random times. There an image costs more than in a crowd, and the more the less there is to do: caches
 * are colder, and threads are woken.
 */
export async function measureFigures(options: MeasureOptions): Promise<Figures> {
  const { model, photos, workDir, warmUpSeconds, seconds } = options;
  const config = readConfig({ DATA_DIR: join(workDir, 'engines') });
  const services = await createServices(config, createLogger('silent'));
  const batches = await batchCosts(model, services, config).finally(() => services.close());

  const client = start('load-client.js', [photos]);
  await once(client, 'message');
  const loop = await OpenLoop.start(photos);
  const ours = await startOurs(join(workDir, 'server'));
  const { pid = 0 } = ours.child;
  try {
    const way = ours.serve(model, createLoad(client, 'form'));
    const { throughput } = await way.measure(CONCURRENCY, warmUpSeconds);
    const measureLoad = async (rate: number, load: () => Promise<unknown>): Promise<Figures['loads'][number]> => {
      const before = await batchesOf(way);
      const [thread, cpu] = [threadCpuMs(pid), cpuMeter([ours.child])];
      await load();
      const [http, own, engine] = [threadCpuMs(pid) - thread, cpu('own'), cpu('descendants')];
      const after = await batchesOf(way);
      const images = after.images - before.images;
      const size = images / (after.batches - before.batches);
      return {
        rate: rate / config.cores,
        http_ms: http / images,
        decode_ms: Math.max(0, own - http) / images,
        batch_factor: (size * engine) / images / batchMs({ batches }, size),
      };
    };
    const loads = [];
    for (const share of SHARES) {
      const rate = share * throughput;
      loads.push(await measureLoad(rate, () => offer(loop, [way], { model, rate, seconds })));
    }
    loads.push(await measureLoad(throughput, () => way.measure(CONCURRENCY, seconds)));
    const engines = childrenOf(pid).map((child) => residentBytesOf(child) / 1e6);
    return {
      model,
      loads,
      batches,
      server_mb: residentBytesOf(pid) / 1e6,
      engine_mb: Math.max(...engines),
    };
  } finally {
    ours.child.kill();
    client.disconnect();
    loop.close();
  }
}

/** Batches that a server has computed, and images in them, from its metrics. */
async function batchesOf({ url = '' }: Way): Promise<{ batches: number; images: number }> {
  const text = await (await fetch(new URL('/metrics', url))).text();
  const of = (part: string) =>
    [...text.matchAll(new RegExp(`^menagerie_batch_images_${part}(?:\\{.*\\})? (\\d+)`, 'gm'))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  return { batches: of('count'), images: of('sum') };
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
