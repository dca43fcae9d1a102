import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  childrenOf,
  imagesInFlight,
  isAlive,
  type ServerProcess,
  startServer,
  temporaryDataDir,
  until,
  untilReady,
} from '../../scripts/server-process.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';
import type { ClassifyAnswer } from './answers.ts';

/** Processes are looked up in `/proc`. */
const onLinux = existsSync('/proc/self/stat');

/** A process namespace of its own, in which the command has the id 1. */
const CONTAINER = ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc'];

function canUnshare(): boolean {
  return onLinux && spawnSync('unshare', [...CONTAINER, 'true']).status === 0;
}

let data: Awaited<ReturnType<typeof temporaryDataDir>>;

beforeAll(async () => {
  data = await temporaryDataDir();
});

afterAll(() => data.remove());

/** A request of many images, so that it is under way for a while. */
async function longRequest({ url }: ServerProcess): Promise<Response> {
  const [picture] = await goldenPictures(EMBEDDED[0]);
  const form = new FormData();
  for (let i = 0; i < 64; i++) form.append('image', new Blob([new Uint8Array(picture?.png ?? [])]), `${i}.png`);
  return fetch(`${url}/classify`, { method: 'POST', body: form });
}

/** Sends long requests until one is seen under way: on a busy machine the first may be answered before. */
async function longRequestUnderWay(server: ServerProcess): Promise<{ readonly answer: Promise<Response> }> {
  for (;;) {
    const answer = longRequest(server);
    let isAnswered = false;
    const answered = answer.then(() => {
      isAnswered = true;
    });
    await Promise.race([answered, until(async () => isAnswered || (await imagesInFlight(server)) > 0)]);
    if (!isAnswered) return { answer };
  }
}

/** Sends the headers of a request and waits until the server reads its body. @returns sends the body; the status */
async function beginRequest({ url }: ServerProcess): Promise<() => Promise<number | undefined>> {
  const [picture] = await goldenPictures(EMBEDDED[0]);
  const photo = Buffer.from(picture?.png ?? []);
  const headers = { 'content-type': 'image/png', 'content-length': photo.length, expect: '100-continue' };
  const sending = request(`${url}/classify`, { method: 'POST', headers });
  sending.on('error', () => undefined);
  sending.flushHeaders();
  await once(sending, 'continue');
  return async () => {
    sending.end(photo);
    const [response] = (await once(sending, 'response')) as [IncomingMessage];
    response.resume();
    return response.statusCode;
  };
}

async function startReady(command?: Parameters<typeof startServer>[2]): Promise<ServerProcess> {
  const server = await startServer(data.path, {}, command);
  await untilReady(server);
  return server;
}

test.skipIf(!onLinux)('SIGTERM: what is in flight is answered, the children end, the exit code is 0', async () => {
  const server = await startReady();
  const children = childrenOf(server.child.pid ?? 0);
  expect(children.length).toBeGreaterThan(0);
  const { answer } = await longRequestUnderWay(server);
  server.child.kill('SIGTERM');
  const response = await answer;
  expect(response.status).toBe(200);
  expect(((await response.json()) as ClassifyAnswer).results).toHaveLength(64);
  expect(await server.exit).toBe(0);
  expect(children.filter(isAlive)).toEqual([]);
  await expect(fetch(`${server.url}/v2/health/live`)).rejects.toThrow();
});

test('a second signal ends it at once', async () => {
  const server = await startReady();
  // A client that never finishes its request would otherwise be waited for.
  await beginRequest(server);
  server.child.kill('SIGTERM');
  await until(() => server.log().includes('stopping'));
  // Signals that follow within a moment are the first one, passed on.
  await until(() => !server.child.kill('SIGTERM') || server.child.exitCode !== null);
  expect(await server.exit).toBe(143);
});

test.skipIf(!onLinux).each<[string, [string, ...string[]]]>([
  ['the server', [process.execPath, 'dist/src/main.js']],
  ['npm start, which passes it on', ['npm', 'start']],
])('SIGTERM to the process group of %s cuts no request', async (_, command) => {
  const server = await startReady(command);
  const photos = await Promise.all(Array.from({ length: 4 }, () => beginRequest(server)));
  process.kill(-(server.child.pid ?? 0), 'SIGTERM');
  await until(() => server.log().includes('stopping'));
  expect(await Promise.all(photos.map((finish) => finish()))).toEqual([200, 200, 200, 200]);
  expect(await server.exit).toBe(0);
});

test.skipIf(!canUnshare()).each<[string, [string, ...string[]]]>([
  ['the server', [process.execPath, 'dist/src/main.js']],
  ['npm start', ['npm', 'start']],
])('%s as PID 1 of a container exits with 0', async (_, command) => {
  const server = await startReady(['unshare', ...CONTAINER, ...command]);
  const [init = 0] = childrenOf(server.child.pid ?? 0);
  process.kill(init, 'SIGTERM');
  expect(await server.exit).toBe(0);
  expect(server.log()).toContain('"stopped"');
});

test.skipIf(!onLinux)('no child outlives a server that is killed', async () => {
  const server = await startReady();
  const children = childrenOf(server.child.pid ?? 0);
  expect(children.length).toBeGreaterThan(0);
  server.child.kill('SIGKILL');
  expect(await server.exit).toBe('SIGKILL');
  await until(() => !children.some(isAlive));
});
