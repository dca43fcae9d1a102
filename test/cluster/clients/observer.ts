import type { SeenModel } from '../history.ts';
import type { Machine } from '../world/machine.ts';
import { ask, type Client, pause } from './client.ts';
import { jobsIn, modelsIn, warningsIn } from './documents.ts';

const LOOK_EVERY_MS = 1_000;
const HEALTH_EVERY_MS = 200;

/** Lists the models and jobs of a replica, again and again. @param onModels told what it lists */
export async function list(
  client: Client,
  server: Machine,
  onModels: (models: readonly SeenModel[]) => void,
): Promise<void> {
  while (!client.signal.aborted) {
    if (server.isUp) {
      await listOnce(client, server, onModels);
      await listJobs(client, server);
    }
    await pause(LOOK_EVERY_MS, client.signal);
  }
}

/** Lists the models of a replica, and notes them. */
export async function listOnce(
  { history }: Pick<Client, 'history'>,
  server: Machine,
  onModels: (models: readonly SeenModel[]) => void = () => {},
): Promise<readonly SeenModel[]> {
  const { call, text } = await ask(history, server, '/models');
  const models = call.answer.status === 200 ? modelsIn(text) : [];
  if (call.answer.status === 200) onModels(models);
  history.add({ type: 'models', ...call, models });
  return models;
}

/** Lists the jobs of a replica, and notes them. */
export async function listJobs({ history, known }: Pick<Client, 'history' | 'known'>, server: Machine): Promise<void> {
  const { call, text } = await ask(history, server, '/jobs');
  const jobs = call.answer.status === 200 ? jobsIn(text) : [];
  known.note(jobs);
  history.add({ type: 'jobs', ...call, jobs });
}

/** Asks for the health of a replica, and notes when it changes. */
export async function watchHealth({ history, signal }: Client, server: Machine): Promise<void> {
  let last = '';
  while (!signal.aborted) {
    if (server.isUp) {
      const { call, text } = await ask(history, server, '/v2/health/ready');
      const warnings = call.answer.status === 200 ? warningsIn(text) : [];
      const state = JSON.stringify([call.answer, warnings]);
      if (state !== last) history.add({ type: 'health', ...call, warnings });
      last = state;
    } else last = '';
    await pause(HEALTH_EVERY_MS, signal);
  }
}
