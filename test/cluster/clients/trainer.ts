import { anyServer, ask, type Client, MODELS, pause, pick } from './client.ts';
import { jobIn } from './documents.ts';

/** Jobs that have not ended, beyond which no more are sent: each takes seconds of a whole core. */
const MOST_UNFINISHED = 5;
/** A client that lost an answer sends the request again under its key, this often. */
const MOST_TRIES = 30;
/** Share of the requests whose client does not wait, and after how many milliseconds it leaves at most. */
const IMPATIENT = 0.2;
const IMPATIENT_MS = 400;

/** Sends fine-tunes, each under a key until it is answered, to one server after the other. */
export async function train(client: Client, zips: readonly Uint8Array[], firstMark: number): Promise<void> {
  const { known, random, signal } = client;
  for (let mark = firstMark; !signal.aborted; mark += 1) {
    while (known.unfinished().length >= MOST_UNFINISHED && !signal.aborted) await pause(500, signal);
    const zip = pick(zips, random);
    const model = pick(MODELS, random);
    if (zip !== undefined && model !== undefined) await submit(client, zip, model, mark);
    await pause(500 + random.below(3_000), signal);
  }
}

async function submit(client: Client, zip: Uint8Array, model: string, mark: number): Promise<void> {
  const { history, known, random, signal } = client;
  // Few may be promoted, so that most versions can be removed.
  const promote = random.next() < 0.3 ? 'always' : 'never';
  const options = { name: model, seed: String(mark), copies: '1', epochs: '5', corruptions: 'false', promote };
  const { body, type } = await formOf(zip, options);
  const key = `key-${mark}`;
  for (let attempt = 0; attempt < MOST_TRIES && !signal.aborted; attempt += 1) {
    const server = await anyServer(client);
    if (server === undefined) return;
    const isImpatient = random.next() < IMPATIENT;
    const leaving = isImpatient ? AbortSignal.timeout(1 + random.below(IMPATIENT_MS)) : undefined;
    const { call, text } = await ask(history, server, '/finetune', {
      method: 'POST',
      headers: { 'content-type': type, 'idempotency-key': key },
      body,
      ...(leaving !== undefined && { signal: leaving }),
    });
    const job = call.answer.status === 202 ? jobIn(text) : null;
    history.add({ type: 'submit', ...call, key, mark, job: job?.id ?? null });
    if (job !== null) {
      known.note([job]);
      return;
    }
    // One who left is back at once, at another server maybe.
    if (!call.answer.gaveUp) await pause(500 + random.below(1_500), signal);
  }
}

async function formOf(zip: Uint8Array, options: Readonly<Record<string, string>>) {
  const form = new FormData();
  form.append('dataset', new Blob([new Uint8Array(zip)]), 'colours.zip');
  for (const [name, value] of Object.entries(options)) form.append(name, value);
  const encoded = new Response(form);
  return { body: new Uint8Array(await encoded.arrayBuffer()), type: encoded.headers.get('content-type') ?? '' };
}

/** Cancels a job now and then. */
export async function cancel(client: Client): Promise<void> {
  const { history, known, random, signal } = client;
  while (!signal.aborted) {
    await pause(15_000 + random.below(30_000), signal);
    const job = pick(known.unfinished(), random);
    const server = await anyServer(client);
    if (job === undefined || server === undefined) continue;
    const { call, text } = await ask(history, server, `/jobs/${job}`, { method: 'DELETE' });
    history.add({ type: 'cancel', ...call, job });
    if (call.answer.status === 200) known.note([jobIn(text)]);
  }
}
