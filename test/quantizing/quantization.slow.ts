import sharp from 'sharp';
import { expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { until } from '../../scripts/server-process.ts';
import { withServer } from '../e2e/own-server.ts';

const MODEL = 'resnet18_slim.tiny200';

const server = withServer();

/** A picture of two colours and a gradient, different for each seed. */
async function picture(seed: number): Promise<Buffer> {
  const side = 64;
  const pixels = Uint8Array.from(
    { length: side * side * 3 },
    (_, at) => (at * (seed + 3) + ((at >> 6) ^ seed) * 5) % 256,
  );
  return sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer();
}

async function zipOf(count: number): Promise<Blob> {
  const zip = new ZipFile();
  for (let seed = 0; seed < count; seed += 1) zip.addBuffer(await picture(seed), `${seed}.png`);
  zip.end();
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of zip.outputStream) pieces.push(new Uint8Array(piece as Buffer));
  return new Blob(pieces);
}

async function quantize(count: number): Promise<Response> {
  const form = new FormData();
  form.append('dataset', await zipOf(count), 'photos.zip');
  return fetch(`${server.url}/models/${MODEL}/quantize`, { method: 'POST', body: form });
}

async function classify(variant: string): Promise<Response> {
  return fetch(`${server.url}/classify?model=${MODEL}&variant=${variant}&top_k=1`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: new Uint8Array(await picture(100)),
  });
}

interface JobAnswer {
  readonly state: string;
  readonly failure: unknown;
  readonly progress: unknown;
  readonly result: object;
}
interface Answer {
  readonly detail?: string;
  readonly results: { readonly predictions: { readonly score: number }[] }[];
}

async function json<T>(path: string): Promise<T> {
  return (await fetch(`${server.url}${path}`)).json() as Promise<T>;
}

async function scoreOf(answer: Response): Promise<number> {
  const { results } = (await answer.json()) as Answer;
  return results[0]?.predictions[0]?.score ?? Number.NaN;
}

async function ended(location: string | null): Promise<JobAnswer> {
  let job = await json<JobAnswer>(location ?? '');
  await until(async () => {
    job = await json<JobAnswer>(location ?? '');
    return ['succeeded', 'failed', 'cancelled'].includes(job.state);
  });
  return job;
}

it('a model is quantized by a job, then answers as int8, is in list and card, and is exported', async () => {
  const refused = await classify('int8');
  expect(refused.status).toBe(409);
  expect(await refused.json()).toMatchObject({
    code: 'variant_unavailable',
    detail: expect.stringContaining('quantize'),
  });

  const begun = await quantize(24);
  expect(begun.status).toBe(202);
  const { state, result, failure } = await ended(begun.headers.get('location'));
  expect({ state, failure }).toEqual({ state: 'succeeded', failure: null });
  expect(result).toMatchObject({ model: MODEL, variant: 'int8', quantization: { calibration_images: 12, images: 12 } });

  const answer = await classify('int8');
  expect(await answer.clone().json()).toMatchObject({ model: MODEL, variant: 'int8', runtime: 'onnx' });
  const [int8, float] = [await scoreOf(answer), await scoreOf(await classify('float32'))];
  expect(Math.abs(int8 - float)).toBeLessThan(0.1);

  const { models } = await json<{ models: { id: string; variants: string[] }[] }>('/models');
  expect(models.find(({ id }) => id === MODEL)?.variants).toEqual(['float32', 'int8']);
  const { quantization } = await json<{ quantization: { size_bytes: number; float_size_bytes: number } }>(
    `/models/${MODEL}`,
  );
  expect(quantization.size_bytes).toBeLessThan(0.27 * quantization.float_size_bytes);

  const exported = await fetch(`${server.url}/models/${MODEL}/export?variant=int8`);
  expect(exported.headers.get('content-disposition')).toContain(`${MODEL}-1-onnx-int8.zip`);
  expect((await exported.arrayBuffer()).byteLength).toBeLessThan(quantization.float_size_bytes / 3);
});

it('too few images, another runtime, and a method that does not exist are refused with what would be right', async () => {
  const { state, failure } = await ended((await quantize(3)).headers.get('location'));
  expect(state).toBe('failed');
  expect(failure).toMatchObject({ code: 'dataset_too_small', message: expect.stringContaining('at least 8') });

  const tfjs = await fetch(`${server.url}/classify?model=${MODEL}&variant=int8&runtime=tfjs`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: new Uint8Array(await picture(0)),
  });
  expect(tfjs.status).toBe(400);

  const form = new FormData();
  form.append('dataset', await zipOf(8), 'photos.zip');
  const method = await fetch(`${server.url}/models/${MODEL}/quantize?method=magic`, { method: 'POST', body: form });
  expect(method.status).toBe(400);
  expect(((await method.json()) as Answer).detail).toContain('min_max');
});

it('a job that is cancelled leaves nothing behind', async () => {
  const location = (await quantize(400)).headers.get('location');
  await until(async () => (await json<JobAnswer>(location ?? '')).progress !== null);
  await fetch(`${server.url}${location}`, { method: 'DELETE' });
  expect((await ended(location)).state).toBe('cancelled');
});
