import { setTimeout as delay } from 'node:timers/promises';
import type { History } from '../history.ts';
import type { Machine } from '../world/machine.ts';
import { anyServer, ask, CANARY, type Client, MODELS, pause, pick } from './client.ts';
import { modelsIn } from './documents.ts';

/** Versions of a model beyond which the oldest is removed. */
const MOST_VERSIONS = 3;
/** How long and how often one looks whether a replica shows an alias where it is. */
const LOOK_MS = 15_000;
const LOOK_EVERY_MS = 50;

/** Moves the alias of a model now and then, and looks when all replicas show it. There is one such client a model. */
export async function promote(client: Client, model: string): Promise<void> {
  const { known, random, signal } = client;
  let now: number | undefined;
  while (!signal.aborted) {
    await pause(2_000 + random.below(4_000), signal);
    const version = pick(
      known.versionsOf(model).filter((each) => each !== now),
      random,
    );
    const server = await anyServer(client);
    if (version === undefined || server === undefined || signal.aborted) continue;
    if (await move(client, server, model, version)) now = version;
  }
}

/** Moves an alias, and looks when all replicas show it. @returns whether it was moved */
export async function move(
  { history, servers }: Pick<Client, 'history' | 'servers'>,
  server: Machine,
  model: string,
  version: number,
): Promise<boolean> {
  const { call } = await ask(history, server, `/models/${model}/aliases/${CANARY}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ version }),
  });
  history.add({ type: 'promote', ...call, model, alias: CANARY, version });
  if (call.answer.status !== 200) return false;
  await Promise.all(servers.map((replica) => look(history, replica, model, version, call.until)));
  return true;
}

async function look(history: History, replica: Machine, model: string, version: number, at: number): Promise<void> {
  const deadline = at + LOOK_MS;
  let ms: number | null = null;
  while (ms === null && history.now() < deadline) {
    const { call, text } = await ask(history, replica, '/models');
    const models = call.answer.status === 200 ? modelsIn(text) : [];
    if (models.find(({ id }) => id === model)?.aliases[CANARY] === version) ms = Math.max(0, call.until - at);
    else await delay(LOOK_EVERY_MS);
  }
  history.add({ type: 'shown', at, until: history.now(), replica: replica.name, model, alias: CANARY, version, ms });
}

/** Removes the oldest version of a model that has too many. */
export async function remove(client: Client): Promise<void> {
  const { history, known, random, signal } = client;
  while (!signal.aborted) {
    await pause(1_000 + random.below(3_000), signal);
    for (const model of MODELS) {
      const versions = known.versionsOf(model);
      const server = await anyServer(client);
      if (versions.length <= MOST_VERSIONS || server === undefined) continue;
      // One of the older ones: the oldest may be in use.
      const version = pick(versions.slice(0, -2), random) ?? 0;
      const { call } = await ask(history, server, `/models/${model}@${version}`, { method: 'DELETE' });
      history.add({ type: 'remove', ...call, model, version });
      // Without an answer, nobody knows.
      if (call.answer.code !== 'version_in_use') known.unwanted.add(`${model}@${version}`);
    }
  }
}
