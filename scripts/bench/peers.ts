import { availableParallelism } from 'node:os';
import { freePort } from '../server-process.ts';
import type { BenchModel } from './bench-model.ts';
import type { Load } from './load.ts';
import { startPythonServer, stopServer } from './python.ts';
import type { Candidate } from './way.ts';

const CORES = availableParallelism();

/**
 * FastAPI: one process whose session has all threads, one whose sessions run side by side on one thread each, or a
 * process for each core.
 */
export function fastapiCandidates(python: string, model: BenchModel, load: Load): readonly Candidate[] {
  return [
    { workers: 1, threads: 0, pool: CORES },
    { workers: 1, threads: 1, pool: CORES },
    { workers: CORES, threads: 1, pool: 1 },
    { workers: CORES, threads: 1, pool: 2 },
  ].map((task) =>
    server(python, 'fastapi_server.py', { ...task, model }, load, {
      setting: `${task.workers} x ${task.pool} threads, session ${task.threads || 'all'}`,
    }),
  );
}

/** LitServe: a worker for each core, and batches of the sizes that as many concurrent requests can fill. */
export function litserveCandidates(
  python: string,
  model: BenchModel,
  load: Load,
  concurrency: number,
): readonly Candidate[] {
  const batches = concurrency === 1 ? [1] : [4, 8, 16].filter((batch) => batch * CORES <= concurrency);
  return batches
    .flatMap((batch) => [
      { batch, fastQueue: false },
      { batch, fastQueue: true },
    ])
    .map((task) =>
      server(
        python,
        'litserve_server.py',
        { ...task, model, workers: CORES, threads: concurrency === 1 ? 0 : 1, wait: concurrency === 1 ? 0 : 0.01 },
        load,
        { setting: `${CORES} workers, batch ${task.batch}${task.fastQueue ? ', fast queue' : ''}` },
      ),
    );
}

function server(
  python: string,
  script: string,
  task: object,
  load: Load,
  { setting }: { readonly setting: string },
): Candidate {
  return {
    setting,
    open: async () => {
      const port = await freePort();
      const child = await startPythonServer(python, script, { ...task, port });
      return {
        setting,
        url: `http://127.0.0.1:${port}/classify`,
        measure: (concurrency, seconds) => load({ child, port, path: '/classify' }, concurrency, seconds),
        close: () => stopServer(child),
      };
    },
  };
}
