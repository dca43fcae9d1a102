import { afterAll, beforeAll, expect, test } from 'vitest';
import { colouredPicture, colourZip } from '../../scripts/labelled-zip.ts';
import { MemoryS3, type SeenRequest } from '../registry/s3/memory-s3.ts';
import type { ClassifyAnswer } from './answers.ts';
import { type OwnServer, withServer } from './own-server.ts';

/** What `GET /models/{id}` says, as far as this test looks at it. */
interface Card {
  readonly versions: readonly number[];
  readonly aliases: Readonly<Record<string, number>>;
}

let s3: MemoryS3;
beforeAll(async () => {
  s3 = await MemoryS3.start('zoo');
});
afterAll(() => s3.stop());

const settings = () => ({
  ARTIFACT_STORE: 's3://zoo/team',
  AWS_ENDPOINT_URL_S3: s3.endpoint,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'anyone',
  AWS_SECRET_ACCESS_KEY: 'secret',
});
const one = withServer(settings);
const two = withServer(settings);

/** Sends a fine-tune. @returns its id */
async function submit({ url }: OwnServer, options: Readonly<Record<string, string>>): Promise<string> {
  const form = new FormData();
  form.append('dataset', new Blob([new Uint8Array(await colourZip())]), 'colours.zip');
  for (const [name, value] of Object.entries(options)) form.append(name, value);
  return ((await (await fetch(`${url}/finetune`, { method: 'POST', body: form })).json()) as { id: string }).id;
}

/** A job that has ended. */
async function ended({ url }: OwnServer, id: string): Promise<unknown> {
  await (await fetch(`${url}/jobs/${id}/events`)).text();
  return await (await fetch(`${url}/jobs/${id}`)).json();
}

async function finetune(server: OwnServer, options: Readonly<Record<string, string>>): Promise<void> {
  expect(await ended(server, await submit(server, options))).toMatchObject({ state: 'succeeded' });
}

async function card({ url }: OwnServer): Promise<Card> {
  const { versions, aliases } = (await (await fetch(`${url}/models/colours`)).json()) as Card;
  return { versions, aliases };
}

/** The version that answers, and the class that it gives to a red picture. */
async function classify({ url }: OwnServer, model = 'colours'): Promise<[number, string | undefined]> {
  const body = new Uint8Array(await colouredPicture('red', 99));
  const response = await fetch(`${url}/classify?model=${model}`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body,
  });
  const { version, results } = (await response.json()) as Partial<ClassifyAnswer>;
  return [version ?? 0, results?.[0]?.predictions?.[0]?.label];
}

/** The files of weights that servers have asked the bucket for. */
function fetchedWeights(): string[] {
  const keys = s3.requests.filter(({ method }) => method === 'GET').map(({ key }) => key);
  return [...new Set(keys.filter((key) => key.endsWith('/weights.safetensors')))];
}

/** Whether the bucket answers, as the metrics have it. */
async function bucketIsUp({ url }: OwnServer): Promise<string | undefined> {
  return /^menagerie_dependency_up\{dependency="s3"\} (\d)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1];
}

function promote({ url }: OwnServer, version: number): Promise<Response> {
  return fetch(`${url}/models/colours/aliases/production`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ version }),
  });
}

async function warnings({ url }: OwnServer): Promise<readonly string[]> {
  const response = await fetch(`${url}/v2/health/ready`);
  expect(response.status).toBe(200);
  return ((await response.json()) as { warnings: string[] }).warnings;
}

test('two servers with one bucket serve the same models, also while it is lost, and go on when it is back', async () => {
  // A model that one trains is served by the other.
  await finetune(one, { name: 'colours', copies: '1', epochs: '20' });
  await expect.poll(() => classify(two)).toEqual([1, 'red']);

  // And the other way round. It is not promoted: both show it, and answer as before.
  await finetune(two, { name: 'colours', copies: '1', epochs: '10', promote: 'never' });
  await expect.poll(() => card(one)).toEqual({ versions: [1, 2], aliases: { production: 1 } });
  expect(fetchedWeights()).toHaveLength(1);
  expect(await classify(one, 'colours@2')).toEqual([2, 'red']);
  expect(await classify(one)).toEqual([1, 'red']);
  expect(fetchedWeights()).toHaveLength(2);
  for (const server of [one, two]) expect(await card(server)).toEqual({ versions: [1, 2], aliases: { production: 1 } });

  // An alias that is moved on one moves on the other.
  expect((await promote(two, 2)).status).toBe(200);
  await expect.poll(() => classify(one)).toEqual([2, 'red']);
  expect(await classify(two)).toEqual([2, 'red']);
  expect(await bucketIsUp(one)).toBe('1');

  // The bucket is lost: both say so, without being asked to change anything, and go on with what they have.
  s3.fault = () => 'error';
  for (const server of [one, two]) {
    await expect.poll(() => warnings(server)).toEqual([expect.stringContaining('bucket of the server cannot be used')]);
    expect(await bucketIsUp(server)).toBe('0');
    expect(await classify(server)).toEqual([2, 'red']);
    expect(await classify(server, 'colours@1')).toEqual([1, 'red']);
    const refused = await promote(server, 1);
    expect([refused.status, await refused.json()]).toEqual([
      503,
      expect.objectContaining({ code: 'storage_unavailable' }),
    ]);
    expect(await card(server)).toEqual({ versions: [1, 2], aliases: { production: 2 } });
  }

  // It is back: neither has to be started again.
  s3.fault = () => undefined;
  for (const server of [one, two]) await expect.poll(() => warnings(server)).toEqual([]);
  expect((await promote(one, 1)).status).toBe(200);
  await expect.poll(() => classify(two)).toEqual([1, 'red']);
});

test('a fine-tune waits for a bucket that is away when it ends, and fails where the bucket is full', async () => {
  const isRecordWrite = ({ method, key }: SeenRequest) => method === 'PUT' && key.startsWith('team/models/');
  const refused = () => s3.requests.filter(isRecordWrite).length;
  s3.fault = (request) => (isRecordWrite(request) ? 'error' : undefined);
  const before = refused();
  const waiting = await submit(one, { name: 'waiting', copies: '1', epochs: '10' });
  // A request is tried four times, so the second four are another attempt.
  await expect.poll(refused).toBeGreaterThan(before + 4);
  s3.fault = () => undefined;
  expect(await ended(one, waiting)).toMatchObject({ state: 'succeeded', result: { version: 1, promoted: true } });

  s3.fault = ({ method, key }) => (method === 'PUT' && key.startsWith('team/files/') ? 'full' : undefined);
  const full = await submit(one, { name: 'full', copies: '1', epochs: '10' });
  expect(await ended(one, full)).toMatchObject({ state: 'failed', failure: { code: 'storage_full' } });
  s3.fault = () => undefined;
  expect((await fetch(`${one.url}/models/full`)).status).toBe(404);
});

test('a variant int8 that one server makes is served by the other, which lists it too', async () => {
  const model = 'resnet18_slim.tiny200';
  const form = new FormData();
  form.append('dataset', new Blob([new Uint8Array(await colourZip())]), 'colours.zip');
  const begun = await fetch(`${one.url}/models/${model}/quantize`, { method: 'POST', body: form });
  const id = begun.headers.get('location')?.split('/').at(-1) ?? '';
  expect(await ended(one, id)).toMatchObject({ state: 'succeeded' });
  const listOf = async ({ url }: OwnServer) => await (await fetch(`${url}/models`)).json();
  await expect.poll(() => listOf(two)).toEqual(await listOf(one));
  const answer = await fetch(`${two.url}/classify?model=${model}&variant=int8`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: new Uint8Array(await colouredPicture('red', 99)),
  });
  expect(await answer.json()).toMatchObject({ model, variant: 'int8' });
});
