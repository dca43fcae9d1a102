import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../../src/common/random.ts';
import type { Answer, Call, History, SeenJob } from '../history.ts';
import type { Machine } from '../world/machine.ts';
import { type Sent, send } from './send.ts';

/** Models that are trained. Jobs move the alias `production` of each; clients move `CANARY`. */
export const MODELS = ['alpha', 'beta'] as const;
/** The alias that clients move. */
export const CANARY = 'canary';

/** States in which a job stays. */
export const FINAL: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled']);

/** What clients know of the zoo from the answers that they got. */
export class Knowledge {
  /** The latest answer about each job, by id. */
  readonly jobs = new Map<string, SeenJob>();
  /** Versions that somebody asked to remove, as `alpha@3`. */
  readonly unwanted = new Set<string>();

  note(jobs: readonly SeenJob[]): void {
    for (const job of jobs) {
      if (!FINAL.has(this.jobs.get(job.id)?.state ?? '')) this.jobs.set(job.id, job);
    }
  }

  /** Ids of jobs that have not ended, as far as is known. */
  unfinished(): string[] {
    return [...this.jobs.values()].filter(({ state }) => !FINAL.has(state)).map(({ id }) => id);
  }

  /** Versions that are there, as far as is known, ascending. */
  versionsOf(model: string): number[] {
    return [...this.jobs.values()]
      .flatMap(({ version }) => (version?.model === model ? [version.number] : []))
      .filter((number) => !this.unwanted.has(`${model}@${number}`))
      .sort((a, b) => a - b);
  }
}

/** What a client needs. */
export interface Client {
  readonly servers: readonly Machine[];
  readonly history: History;
  readonly known: Knowledge;
  /** Numbers of its own. */
  readonly random: Random;
  /** Aborted when clients are to stop. */
  readonly signal: AbortSignal;
}

/** One of several things, at random. */
export function pick<T>(things: readonly T[], random: Random): T | undefined {
  return things[random.below(things.length)];
}

/** Waits, or not when the clients are to stop. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

/** A server that listens, at random; waits for one while there is none. Undefined when clients are to stop. */
export async function anyServer({ servers, random, signal }: Client): Promise<Machine | undefined> {
  while (!signal.aborted) {
    const found = pick(
      servers.filter(({ url }) => url !== undefined),
      random,
    );
    if (found !== undefined) return found;
    await pause(100, signal);
  }
  return undefined;
}

/** Asks a server, and notes when. @returns the call and the body of a success */
export async function ask(
  history: History,
  server: Machine,
  path: string,
  sent: Sent = {},
): Promise<{ call: Call; text: string }> {
  const at = history.now();
  const { url } = server;
  const nobody: Answer = { status: 0, code: null, flaw: 'nobody listens', gaveUp: false };
  const { answer, text } = url === undefined ? { answer: nobody, text: '' } : await send(url + path, sent);
  return { call: { at, until: history.now(), replica: server.name, answer }, text };
}
