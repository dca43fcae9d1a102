import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InferenceRequest } from '../../src/answering/tensor-inference.ts';
import { ask, CONFIG, classify, startServer, type TestServer } from './fixture.ts';

/** Bodies that cost the parser most. None may hold up the requests of others, or get an answer of its own size. */
const MEBIBYTE = 1024 * 1024;
const repeated = (unit: string, bytes: number) => unit.repeat(bytes / unit.length);
const withData = (data: string, { shape = '[1,64,64,3]', outputs = '[]' } = {}) =>
  `{"inputs":[{"name":"pixels","datatype":"UINT8","shape":${shape},"data":${data}}],"outputs":${outputs}}`;

/**
 * Does `work` while the longest delay of the event loop is measured.
 * @returns what `work` gives, and the share of its time that this delay took. Of work that is over in `leastMs` it says
 * nothing
 */
async function whileWatched<T>(leastMs: number, work: () => Promise<T>): Promise<{ done: T; held: number }> {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  const start = performance.now();
  delay.enable();
  const done = await work();
  delay.disable();
  return { done, held: delay.max / 1e6 / Math.max(leastMs, performance.now() - start) };
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ config: { ...CONFIG, maxBodyBytes: 40 * MEBIBYTE } });
});
afterAll(() => server.close());

describe('an inference request', () => {
  it.each<[string, () => string, string]>([
    ['of ten million arrays', () => withData(`[${repeated('[],', 31 * MEBIBYTE)}[]]`), 'flat array'],
    ['of ten million objects', () => withData(`[${repeated('{},', 31 * MEBIBYTE)}{}]`), 'flat array'],
    ['of a million outputs', () => withData('[1]', { outputs: `[${repeated('{"name":"x"},', 13e6)}{}]` }), 'strings'],
    ['of ten thousand outputs', () => withData('[1]', { outputs: `[${repeated('{},', 3e4)}{}]` }), 'outputs'],
    ['of a million texts', () => withData(`[${repeated('"1",', 4e6)}"1"]`), 'strings'],
    ['of ten million numbers too many', () => withData(`[${repeated('1,', 2e7)}1]`), 'numbers'],
    ['of nested arrays', () => withData('['.repeat(1e5) + ']'.repeat(1e5)), 'nested'],
    ['of a tensor that no memory holds', () => withData('[1]', { shape: '[1,60000,60000,3]' }), 'needs 10800000000'],
    ['of a thousand dimensions', () => withData('[1]', { shape: `[${repeated('1,', 2e3)}1]` }), 'shape'],
    ['of the longest id', () => `{"id":"${repeated('x', 1e6)}","inputs":[]}`, 'id'],
  ])('%s is refused with a short error, while others are answered', async (_, body, reason) => {
    const init = { method: 'POST', body: body() };
    const { done: answer, held } = await whileWatched(3_000, () => ask(server, '/v2/models/tiny.test/infer', init));
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    expect(answer.body.detail).toContain(reason);
    expect(answer.text.length).toBeLessThan(4_000);
    // On the thread that answers everybody the worst took five seconds on an idle machine, which is nearly all the time.
    expect(held).toBeLessThan(0.7);
  });
});

it('an answer with too many predictions is refused; the error says what would fit', async () => {
  const predictions = Array.from({ length: 21_841 }, (_, index) => ({ index, label: `class ${index}`, score: 0 }));
  const timings = { decodeMs: 0, queueMs: 0, inferenceMs: 0, batchSize: 1 };
  const wide = await startServer({
    classifier: {
      classify: async ({ images, runtime }) => ({
        model: 'wide.test',
        version: 1,
        variant: 'float32',
        runtime,
        results: images.map(({ filename }) => ({ filename, predictions, warnings: [], timings })),
        timings: { totalMs: 0 },
      }),
    },
  });
  const images = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}.jpg`, Buffer.from('x')]));
  expect((await classify(wide, images(9))).body.results.map((result) => result.predictions.length)).toEqual(
    new Array(9).fill(21_841),
  );
  const { status, body } = await classify(wide, images(10));
  expect([status, body.code]).toEqual([400, 'invalid_request']);
  expect(body.detail).toContain('smaller top_k');
  await wide.close();
});

it('an error names a limited number of wrong options, and cuts long values', async () => {
  const query = Array.from({ length: 900 }, (_, i) => `option_${i}=1`).join('&');
  for (const path of [`/classify?${query}`, `/classify?top_k=${'x'.repeat(8_000)}`]) {
    const body = new FormData();
    body.append('image', new Blob(['x']), 'x.jpg');
    const answer = await ask(server, path, { method: 'POST', body });
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    expect(answer.text.length).toBeLessThan(4_000);
  }
});

it('base64 of 12 MB does not hold up others', async () => {
  const lengths: number[] = [];
  const counting = await startServer({
    config: { ...CONFIG, maxBodyBytes: 40 * MEBIBYTE, maxImageBytes: 40 * MEBIBYTE },
    classifier: {
      classify: async ({ images, runtime }) => {
        lengths.push(...images.map(({ bytes }) => bytes.length));
        return { model: 'tiny.test', version: 1, variant: 'float32', runtime, results: [], timings: { totalMs: 0 } };
      },
    },
  });
  const body = `{"images":[{"b64":"${repeated('AAAA', 12 * MEBIBYTE)}"},{"b64":"AAAA"}]}`;
  const headers = { 'Content-Type': 'application/json' };
  const {
    done: { status },
    held,
  } = await whileWatched(1_000, () => fetch(`${counting.url}/classify`, { method: 'POST', body, headers }));
  expect([status, lengths]).toEqual([200, [9 * MEBIBYTE, 3]]);
  // The test's own client sends from this thread too.
  expect(held).toBeLessThan(0.7);
  await counting.close();
});

it('the parser thread returns a long tensor unchanged', async () => {
  const seen: InferenceRequest[] = [];
  const echo = await startServer({
    config: { ...CONFIG, maxBodyBytes: 40 * MEBIBYTE },
    inference: {
      names: () => [],
      describe: () => Promise.reject(new Error('not described')),
      infer: async (request) => {
        seen.push(request);
        return {
          model: 'tiny.test',
          version: 1,
          labels: [],
          outputs: { logits: { data: Float32Array.of(1), shape: [1, 1] } },
        };
      },
    },
  });
  const pixels = Uint8Array.from({ length: 5 * MEBIBYTE }, (_, i) => i % 251);
  const shape = [1, 5, 1024, 1024];
  const input = { name: 'pixels', datatype: 'UINT8', shape };
  const head = {
    inputs: [{ ...input, parameters: { binary_data_size: pixels.length } }],
    outputs: [{ name: 'logits' }],
  };
  const json = JSON.stringify({ inputs: [{ ...input, data: [...pixels] }], outputs: [{ name: 'logits' }] });
  const path = `${echo.url}/v2/models/tiny.test/infer`;
  const headers = { 'Inference-Header-Content-Length': String(JSON.stringify(head).length) };
  const binary = Buffer.concat([Buffer.from(JSON.stringify(head)), pixels]);
  expect((await fetch(path, { method: 'POST', body: binary, headers })).status).toBe(200);
  expect((await fetch(path, { method: 'POST', body: json })).status).toBe(200);
  for (const { input: received } of seen) {
    const tensor = 'pixels' in received ? received.pixels : undefined;
    expect(tensor?.shape).toEqual(shape);
    expect(Buffer.compare(tensor?.data ?? Buffer.alloc(0), pixels)).toBe(0);
  }
  expect(seen).toHaveLength(2);
  await echo.close();
});
