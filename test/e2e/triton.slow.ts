import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  freePort,
  type ServerProcess,
  startServer,
  temporaryDataDir,
  until,
  untilReady,
} from '../../scripts/server-process.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';
import type { ClassifyAnswer, ExplainAnswer } from './answers.ts';
import { withServer } from './own-server.ts';

const [model] = EMBEDDED;
const [picture] = await goldenPictures(model);

/** A server that has its batches computed by another one, which stands in for Triton: the protocol is the same. */
describe('with ENGINE=triton://', () => {
  const grpcPort = freePort();
  let folder: Awaited<ReturnType<typeof temporaryDataDir>>;
  let triton: ServerProcess;
  const startTriton = async () => {
    triton = await startServer(folder.path, { GRPC_PORT: String(await grpcPort) });
    await untilReady(triton);
  };
  beforeAll(async () => {
    folder = await temporaryDataDir();
    await startTriton();
  });
  const server = withServer(async () => ({ ENGINE: `triton://127.0.0.1:${await grpcPort}` }));
  afterAll(async () => {
    triton.child.kill('SIGKILL');
    await triton.exit;
    await folder.remove();
  });

  const ask = async (path: string, url = server.url) => {
    const body = new FormData();
    body.append('image', new Blob([Uint8Array.from(picture?.png ?? [])]), 'photo.png');
    const response = await fetch(url + path, { method: 'POST', body });
    const answer = (await response.json()) as ClassifyAnswer & ExplainAnswer & { code?: string };
    return { status: response.status, retryAfter: response.headers.get('retry-after'), answer };
  };
  const batches = async ({ url }: Pick<ServerProcess, 'url'>): Promise<number> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(/^menagerie_batch_images_count\{.*\} (\d+)/m.exec(text)?.[1] ?? 0);
  };

  test('images are classified there, with the same scores as here; explanations and TF.js are computed here', async () => {
    const before = await batches(triton);
    const here = await ask('/classify?top_k=3');
    expect(await batches(triton)).toBeGreaterThan(before);
    expect(here.answer.results[0]?.predictions?.[0]?.index).toBe(picture?.top1);
    const there = await ask('/classify?top_k=3', triton.url);
    expect(here.answer.results[0]?.predictions).toEqual(there.answer.results[0]?.predictions);
    const explained = await ask('/explain');
    expect(explained.answer.heatmap).toEqual((await ask('/explain', triton.url)).answer.heatmap);
    expect((await ask('/classify?runtime=tfjs')).answer.results[0]?.predictions?.[0]?.index).toBe(picture?.top1);
  });

  test('requests get 503 while it is away, health checks say so, and all goes on when it is back', async () => {
    triton.child.kill('SIGKILL');
    await triton.exit;
    const lost = await ask('/classify');
    expect([lost.status, lost.answer.code]).toEqual([503, 'engine_lost']);
    expect(Number(lost.retryAfter)).toBeGreaterThan(0);
    await until(async () => (await fetch(`${server.url}/v2/health/ready`)).status === 503);
    const { detail } = (await (await fetch(`${server.url}/v2/health/ready`)).json()) as { detail: string };
    expect(detail).toContain('Triton at 127.0.0.1');
    expect((await fetch(`${server.url}/models`)).status).toBe(200);
    await startTriton();
    await untilReady(server);
    expect((await ask('/classify')).answer.results[0]?.predictions?.[0]?.index).toBe(picture?.top1);
    expect(server.log()).toContain('Triton is back');
  });
});

test('a server for which Triton is not there starts all the same, and is not ready', async () => {
  const data = await temporaryDataDir();
  const alone = await startServer(data.path, { ENGINE: `triton://127.0.0.1:${await freePort()}` });
  await until(() => alone.log().includes('the default model cannot be loaded'));
  const ready = await fetch(`${alone.url}/v2/health/ready`);
  expect([ready.status, alone.log().includes('Triton is lost')]).toEqual([503, true]);
  alone.child.kill('SIGTERM');
  expect(await alone.exit).toBe(0);
  await data.remove();
});
