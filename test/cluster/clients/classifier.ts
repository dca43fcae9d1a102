import type { SeenModel } from '../history.ts';
import type { Machine } from '../world/machine.ts';
import { anyServer, ask, CANARY, type Client, pause, pick } from './client.ts';
import { predictionIn } from './documents.ts';

/** Pictures to classify, by name. */
export type Pictures = ReadonlyMap<string, Uint8Array>;

/** Classifies pictures by versions, aliases and bare names that a replica has listed. */
export async function classify(
  client: Client,
  pictures: Pictures,
  listed: (replica: string) => readonly SeenModel[],
): Promise<void> {
  const { random, signal } = client;
  while (!signal.aborted) {
    await pause(150 + random.below(400), signal);
    const server = await anyServer(client);
    const model = server && pick(listed(server.name), random);
    const picture = pick([...pictures.keys()], random);
    if (server === undefined || model === undefined || picture === undefined) continue;
    const version = pick(model.versions, random);
    const references = [
      model.id,
      ...(CANARY in model.aliases ? [`${model.id}@${CANARY}`] : []),
      ...(version === undefined ? [] : [`${model.id}@${version}`, `${model.id}@${version}`]),
    ];
    await classifyOnce(client, server, pick(references, random) ?? model.id, picture, pictures);
  }
}

/** Classifies one picture, and notes the answer. */
export async function classifyOnce(
  { history }: Pick<Client, 'history'>,
  server: Machine,
  reference: string,
  picture: string,
  pictures: Pictures,
): Promise<number> {
  const { call, text } = await ask(history, server, `/classify?model=${reference}`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: pictures.get(picture) ?? new Uint8Array(),
  });
  const result = call.answer.status === 200 ? predictionIn(text) : null;
  history.add({ type: 'classify', ...call, reference, picture, result });
  return call.answer.status;
}
