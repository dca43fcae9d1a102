import { setTimeout as delay } from 'node:timers/promises';
import { ask, type Knowledge } from './clients/client.ts';
import { modelsIn, warningsIn } from './clients/documents.ts';
import type { History } from './history.ts';
import type { Cluster } from './world/cluster.ts';

/** Milliseconds that recovery may take. */
export interface Recovery {
  /** Until all servers are ready without a warning, and list the same models. */
  readonly serversMs: number;
  /** Until all jobs have ended: those of killed workers wait for their lease to run out. */
  readonly jobsMs: number;
}

const LOOK_EVERY_MS = 250;

/** Waits until everything is in order again, and notes how long it took. */
export async function recover(
  cluster: Cluster,
  history: History,
  known: Knowledge,
  { serversMs, jobsMs }: Recovery,
  tell: (line: string) => void,
): Promise<void> {
  const at = history.now();
  const wait = async (what: string, boundMs: number, isDone: () => Promise<boolean>): Promise<void> => {
    let ms: number | null = null;
    while (ms === null && history.now() - at < boundMs) {
      if (await isDone()) ms = history.now() - at;
      else await delay(LOOK_EVERY_MS);
    }
    history.add({ type: 'recovered', what, ms, at, until: history.now() });
    tell(`${what}: ${ms === null ? `not after ${boundMs / 1000} s` : `after ${(ms / 1000).toFixed(1)} s`}`);
  };
  await Promise.all([
    wait('no warnings', serversMs + jobsMs, () => haveNoWarnings(cluster, history)),
    wait('the same models everywhere', serversMs, () => listTheSame(cluster, history)),
    wait('all jobs ended', jobsMs, async () => known.unfinished().length === 0),
  ]);
}

async function haveNoWarnings({ servers }: Cluster, history: History): Promise<boolean> {
  const healths = await Promise.all(servers.map((server) => ask(history, server, '/v2/health/ready')));
  return healths.every(({ call, text }) => call.answer.status === 200 && warningsIn(text).length === 0);
}

async function listTheSame({ servers }: Cluster, history: History): Promise<boolean> {
  const lists = await Promise.all(servers.map((server) => ask(history, server, '/models')));
  if (lists.some(({ call }) => call.answer.status !== 200)) return false;
  return new Set(lists.map(({ text }) => JSON.stringify(modelsIn(text)))).size === 1;
}
