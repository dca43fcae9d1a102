import type { ChildProcess } from 'node:child_process';
import { ask } from './child.ts';
import { cpuMeter } from './cpu-time.ts';
import type { LoadResult, LoadTask } from './load-client.ts';
import type { Measurement } from './measurement.ts';
import type { BodyKind } from './photo-request.ts';

/** A server that takes photos at a path. */
export interface Target {
  readonly child: ChildProcess;
  readonly port: number;
  readonly path: string;
}

/** Loads a server with concurrent requests for some seconds. */
export type Load = (target: Target, concurrency: number, seconds: number) => Promise<Measurement>;

/** @param client the process of scripts/bench/load-client.ts */
export function createLoad(client: ChildProcess, body: BodyKind): Load {
  return async ({ child, port, path }, concurrency, seconds) => {
    const task: LoadTask = { port, path, body, concurrency, seconds };
    const [serverCpu, clientCpu] = [cpuMeter([child]), cpuMeter([client])];
    const { throughput, latencies, answers, failures } = await ask<LoadResult>(client, task);
    return {
      throughput,
      latencies,
      failures,
      cpu: {
        server: serverCpu('own') / answers,
        others: serverCpu('descendants') / answers,
        client: clientCpu('own') / answers,
      },
    };
  };
}
