import { availableParallelism } from 'node:os';
import type { BenchModel } from './bench-model.ts';
import type { Measurement } from './measurement.ts';
import { FloorProcess } from './python.ts';
import type { Candidate } from './way.ts';

const BATCHES = [1, 4, 8, 16];
/** Seconds before a measurement, in which all processes get going. */
const LEAD_SECONDS = 0.5;

interface FloorResult {
  readonly throughput: number;
  readonly latencies: readonly number[];
  readonly cpu: number;
}

/**
 * What the machine can do: libjpeg-turbo and a resize in C (Pillow), then ONNX Runtime, without any server. One process
 * for each core with one thread, or one process with all of them; in batches of every size that as many concurrent
 * requests could fill.
 */
export function floorCandidates(
  python: string,
  model: BenchModel,
  photos: string,
  concurrency: number,
): readonly Candidate[] {
  const cores = availableParallelism();
  const splits = [
    { processes: Math.min(cores, concurrency), threads: Math.max(1, Math.floor(cores / concurrency)) },
    { processes: 1, threads: cores },
  ];
  const unique = splits.filter(({ processes }, index) => index === 0 || processes !== splits[0]?.processes);
  return unique.flatMap(({ processes, threads }) =>
    BATCHES.filter((batch) => batch === 1 || batch * processes <= concurrency).map((batch) => ({
      setting: `${processes} x ${threads} threads, batch ${batch}`,
      open: async () => {
        const children = Array.from({ length: processes }, () => new FloorProcess(python, photos));
        return {
          setting: `${processes} x ${threads} threads, batch ${batch}`,
          measure: async (_concurrency: number, seconds: number): Promise<Measurement> => {
            const task = { model, threads, batch, lead: LEAD_SECONDS, seconds };
            const results = await Promise.all(children.map((child) => child.ask<FloorResult>(task)));
            return {
              throughput: results.reduce((sum, { throughput }) => sum + throughput, 0),
              latencies: results.flatMap(({ latencies }) => latencies).sort((a, b) => a - b),
              cpu: {
                server: results.reduce((sum, { cpu }) => sum + cpu, 0) / results.length,
                others: 0,
                client: 0,
              },
            };
          },
          close: () => {
            for (const child of children) child.close();
          },
        };
      },
    })),
  );
}
