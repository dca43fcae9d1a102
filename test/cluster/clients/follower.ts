import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { messageOf } from '../../../src/common/errors.ts';
import type { Answer } from '../history.ts';
import { anyServer, type Client, FINAL, pause } from './client.ts';
import { problemIn } from './send.ts';

/** The longest that one stays at a replica before one goes on at another, in milliseconds. */
const MOST_STAY_MS = 8_000;

/** What came of a connection to the events of a job. */
interface Followed {
  readonly answer: Answer;
  readonly events: readonly (readonly [id: number, text: string])[];
  readonly isComplete: boolean;
}

/** Follows jobs as they become known, each to its end. */
export async function followAll(client: Client): Promise<void> {
  const followed = new Map<string, Promise<void>>();
  while (!client.signal.aborted) {
    for (const id of client.known.jobs.keys()) {
      if (!followed.has(id)) followed.set(id, follow(client, id));
    }
    await pause(200, client.signal);
  }
  await Promise.all(followed.values());
}

/** Follows the events of a job over several replicas, with `Last-Event-ID`. */
async function follow(client: Client, job: string): Promise<void> {
  const { history, random, signal } = client;
  let after = 0;
  while (!signal.aborted) {
    const server = await anyServer(client);
    if (server?.url === undefined) continue;
    const at = history.now();
    const leaving = AbortSignal.any([signal, AbortSignal.timeout(500 + random.below(MOST_STAY_MS))]);
    const { answer, events, isComplete } = await read(`${server.url}/jobs/${job}/events`, after, leaving);
    const until = history.now();
    history.add({ type: 'follow', at, until, replica: server.name, answer, job, after, events, isComplete });
    after = events.at(-1)?.[0] ?? after;
    if (answer.status === 204 || answer.status === 404 || events.some(([, text]) => isEnd(text))) return;
    if (answer.status !== 200) await pause(1_000, signal);
  }
}

/** Reads events until the stream ends or the client leaves. */
async function read(url: string, after: number, leaving: AbortSignal): Promise<Followed> {
  const events: (readonly [number, string])[] = [];
  let status = 0;
  try {
    const asking = request(url, {
      agent: false,
      signal: leaving,
      headers: after > 0 ? { 'last-event-id': after } : {},
    });
    asking.end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    status = response.statusCode ?? 0;
    let text = '';
    for await (const piece of response) {
      text += String(piece);
      if (status !== 200) continue;
      const ended = text.lastIndexOf('\n\n');
      if (ended < 0) continue;
      events.push(...eventsIn(text.slice(0, ended)));
      text = text.slice(ended + 2);
    }
    if (status >= 300) return { answer: problemIn(status, response.headers, text), events, isComplete: true };
    return { answer: { status, code: null, flaw: null, gaveUp: false }, events, isComplete: response.complete };
  } catch (thrown) {
    const gaveUp = leaving.aborted;
    // What came before the connection broke counts.
    const flaw = status === 200 && gaveUp ? null : messageOf(thrown);
    return { answer: { status, code: null, flaw, gaveUp }, events, isComplete: false };
  }
}

function eventsIn(text: string): (readonly [number, string])[] {
  return text.split('\n\n').flatMap((block) => {
    const id = /^id: (\d+)$/m.exec(block)?.[1];
    const data = /^data: (.*)$/m.exec(block)?.[1];
    return id === undefined || data === undefined ? [] : [[Number(id), data] as const];
  });
}

/** Whether an event is the last one of its job. */
function isEnd(text: string): boolean {
  const { state } = JSON.parse(text) as { state?: unknown };
  return typeof state === 'string' && FINAL.has(state);
}
