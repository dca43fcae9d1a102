import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { readConfig } from '../../src/config.ts';
import type { BenchModel } from './bench-model.ts';
import { ask, start } from './child.ts';
import { cpuMeter } from './cpu-time.ts';
import type { FloorTask } from './floor-process.ts';
import type { Way } from './way.ts';
import type { WindowResult } from './window.ts';

/** Starts the processes of scripts/bench/floor-process.ts, one for each core or for each of fewer requests. */
export async function startInnerFloor(model: BenchModel, photos: string, concurrency: number): Promise<Way> {
  const cores = availableParallelism();
  const processes = Array.from({ length: Math.min(cores, concurrency) }, () => start('floor-process.js', [photos]));
  await Promise.all(processes.map((child) => once(child, 'message')));
  const threads = Math.floor(cores / processes.length);
  return {
    setting: `${processes.length} x ${threads} threads`,
    measure: async (_concurrency, seconds) => {
      const task: FloorTask = {
        model,
        inFlight: Math.ceil(concurrency / processes.length),
        maxBatch: readConfig({}).maxBatchSize,
        threads,
        seconds,
      };
      const cpu = cpuMeter(processes);
      const results = await Promise.all(processes.map((child) => ask<WindowResult>(child, task)));
      const answers = results.reduce((sum, result) => sum + result.answers, 0);
      return {
        throughput: results.reduce((sum, { throughput }) => sum + throughput, 0),
        latencies: results.flatMap(({ latencies }) => latencies).sort((a, b) => a - b),
        cpu: { server: cpu('own') / answers, others: 0, client: 0 },
      };
    },
    close: () => {
      for (const child of processes) child.disconnect();
    },
  };
}
