import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExplanationRequest, ImageExplainer } from '../../src/answering/image-explanation.ts';
import { AppError } from '../../src/common/errors.ts';
import { ask, imageForm, startServer, type TestServer } from './fixture.ts';

/** Says that the class is seen in the upper right corner, and remembers what it was asked. */
const asked: (Omit<ExplanationRequest, 'signal'> & { opacity?: number })[] = [];
const PICTURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47);
const explainer: Pick<ImageExplainer, 'explain' | 'draw'> = {
  explain: async ({ signal: _, ...request }) => {
    asked.push(request);
    return {
      model: 'tiny.test',
      version: 1,
      method: 'cam',
      prediction: { label: 'red', score: 0.75, index: 0 },
      image: { width: 40, height: 30 },
      crop: { left: 5, top: 0, width: 30, height: 30 },
      heatmap: { height: 2, width: 3, values: Float32Array.of(0, 0.25, 1, 0, 0, 1 / 3) },
      warnings: [],
      timings: { decodeMs: 1.234, queueMs: 0, inferenceMs: 2, batchSize: 1 },
    };
  },
  draw: async ({ signal: _, ...request }, opacity) => {
    asked.push({ ...request, opacity });
    return PICTURE;
  },
};

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ explainer });
});
afterAll(() => server.close());

const photo = Uint8Array.of(1, 2, 3);
const explainRaw = (query = '') =>
  ask(server, `/explain${query}`, { method: 'POST', body: photo, headers: { 'Content-Type': 'image/jpeg' } });
const explainForm = (images: Record<string, Uint8Array>, fields = {}) =>
  ask(server, '/explain', { method: 'POST', body: imageForm(images, fields) });

describe('POST /explain', () => {
  it('answers with the class, the method and a grid over the crop of the photo', async () => {
    const { status, body } = await explainRaw();
    expect(status).toBe(200);
    expect(body).toMatchObject({
      model: 'tiny.test',
      version: 1,
      method: 'cam',
      class: { label: 'red', score: 0.75, index: 0, synset: null },
      image: { width: 40, height: 30 },
      crop: { left: 5, top: 0, width: 30, height: 30 },
      heatmap: {
        height: 2,
        width: 3,
        values: [
          [0, 0.25, 1],
          [0, 0, 0.333333],
        ],
      },
      timings: { decode_ms: 1.23, inference_ms: 2 },
    });
  });

  it('passes on the image and the options of query and form', async () => {
    asked.length = 0;
    await explainRaw('?model=tiny.test@1&class=n02099601');
    await explainForm({ 'a.jpg': photo }, { model: 'tiny.test', class: '2' });
    const bytes = Buffer.from(photo);
    expect(asked).toMatchObject([
      { model: 'tiny.test@1', class: 'n02099601', image: { bytes } },
      { model: 'tiny.test', class: '2', image: { filename: 'a.jpg', bytes } },
    ]);
  });

  it('answers with a picture on request', async () => {
    asked.length = 0;
    const url = `${server.url}/explain?format=png&opacity=0.5&class=red`;
    const response = await fetch(url, { method: 'POST', body: photo, headers: { 'Content-Type': 'image/png' } });
    expect(response.headers.get('content-type')).toBe('image/png');
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(PICTURE);
    expect(asked).toMatchObject([{ class: 'red', opacity: 0.5 }]);
  });

  it('accepts only one image', async () => {
    const { body } = await explainForm({ 'a.jpg': photo, 'b.jpg': photo });
    expect([body.code, body.context]).toEqual(['too_many_images', { max_images: 1 }]);
    expect((await explainForm({})).body.code).toBe('no_image');
  });

  it.each(['?format=gif', '?opacity=2', '?class=', '?top_k=3', '?class=a&class=b'])('refuses %s', async (query) => {
    const { body } = await explainRaw(query);
    expect(body.code).toBe('invalid_request');
    expect(body.detail).toContain(/\?(\w+)/.exec(query)?.[1]);
  });

  it.each(['not_explainable', 'queue_full', 'model_not_found', 'corrupt_image'] as const)(
    'answers %s of the pipeline as an error',
    async (code) => {
      const failing = { ...explainer, explain: () => Promise.reject(new AppError(code, 'because')) };
      const other = await startServer({ explainer: failing });
      const init = { method: 'POST', body: photo, headers: { 'Content-Type': 'image/jpeg' } };
      const { body } = await ask(other, '/explain', init);
      expect(body).toMatchObject({ code, detail: 'because' });
      await other.close();
    },
  );
});
