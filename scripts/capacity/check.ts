import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { start } from '../bench/child.ts';
import { cpuMeter } from '../bench/cpu-time.ts';
import { createLoad } from '../bench/load.ts';
import { percentile } from '../bench/measurement.ts';
import { OpenLoop } from '../bench/open-loop.ts';
import { startOurs } from '../bench/served.ts';
import type { Way } from '../bench/way.ts';
import { type Figures, saturation } from './figures.ts';
import type { MeasureOptions } from './measure.ts';
import { offer } from './offer.ts';
import { outcomeAt } from './plan.ts';
import type { Machine } from './simulate.ts';

/** Shares of the saturation at which latencies are compared. */
const SHARES = [0.5, 0.7];
/** Requests at once, of each server, with which its batches are full. */
const CONCURRENCY = 64;

/** A figure of the servers beside that of the simulation. */
export interface Comparison {
  readonly what: string;
  readonly measured: number;
  readonly simulated: number;
}

/**
 * Runs so many servers on this machine, and compares what their clients see with the simulation. What the clients cost,
 * which share the cores, is added to the cost of the HTTP thread. Where other programs take a part of the cores, the
 * simulation has as many as were left at saturation.
 */
export async function compareWithServers(
  count: number,
  figures: Figures,
  options: MeasureOptions,
): Promise<Comparison[]> {
  const { model, photos, workDir, warmUpSeconds, seconds } = options;
  const servers = [];
  const clients: ChildProcess[] = [];
  const ways: Way[] = [];
  const loop = await OpenLoop.start(photos);
  try {
    for (let index = 0; index < count; index++) {
      const server = await startOurs(join(workDir, `server-${index}`));
      servers.push(server);
      const client = start('load-client.js', [photos]);
      clients.push(client);
      await once(client, 'message');
      ways.push(server.serve(model, createLoad(client, 'form')));
    }
    // Each gets a part of the images alone, and V8 compiles after thousands of them.
    await saturate(ways, count * warmUpSeconds);
    const { throughput, clientMs, usedCores } = await saturate(ways, seconds);
    const cores = availableParallelism();
    const machine: Machine = {
      cores: usedCores,
      processes: count,
      decoders: Math.min(4, cores),
      engines: cores,
      maxBatch: 16,
      queueLimit: 256,
    };
    const withClients = (ms: number): Figures => ({
      ...figures,
      loads: figures.loads.map((load) => ({ ...load, http_ms: load.http_ms + ms })),
    });
    const comparisons: Comparison[] = [
      { what: 'cores in use', measured: usedCores, simulated: cores },
      { what: 'images/s at saturation', measured: throughput, simulated: saturation(withClients(clientMs), machine) },
    ];
    for (const share of SHARES) {
      const rate = share * throughput;
      const cpu = cpuMeter(servers.map(({ child }) => child));
      const offered = await offer(loop, ways, { model, rate, seconds: 2 * seconds });
      const { latencies, utilisation } = outcomeAt(rate, withClients(offered.clientMs), machine);
      comparisons.push({
        what: `CPU ms an image at ${100 * share} %`,
        measured: (cpu('own') + cpu('descendants')) / offered.latencies.length + offered.clientMs,
        simulated: (1000 * utilisation * machine.cores) / rate,
      });
      for (const rank of [50, 99]) {
        comparisons.push({
          what: `p${rank} at ${100 * share} %, ms`,
          measured: percentile(offered.latencies, rank / 100),
          simulated: percentile(latencies, rank / 100),
        });
      }
    }
    return comparisons;
  } finally {
    for (const { child } of servers) child.kill();
    for (const client of clients) client.disconnect();
    loop.close();
  }
}

/** Keeps all servers busy for some seconds. `usedCores` are those that servers and clients had the time of. */
async function saturate(
  ways: readonly Way[],
  seconds: number,
): Promise<{ throughput: number; clientMs: number; usedCores: number }> {
  const measured = await Promise.all(ways.map((way) => way.measure(CONCURRENCY, seconds)));
  const total = (value: (each: (typeof measured)[number]) => number) =>
    measured.reduce((sum, each) => sum + value(each) * each.throughput, 0);
  const throughput = total(() => 1);
  return {
    throughput,
    clientMs: total(({ cpu }) => cpu.client) / throughput,
    usedCores: total(({ cpu }) => cpu.server + cpu.others + cpu.client) / 1000,
  };
}
