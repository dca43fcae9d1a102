import { expect, test } from 'vitest';
import { ImagePipeline, type PipelineRequest, type PipelineSteps } from '../../src/answering/image-pipeline.ts';
import { AppError } from '../../src/common/errors.ts';
import { DecodeQueue } from '../../src/serving/decode-queue.ts';
import { fakePipeline, model } from './fake-pipeline.ts';

const outputs = { probabilities: Float32Array.of(0.25, 0.75) };
const prepared = { pixels: new Uint8Array(64 * 64 * 3), width: 1, height: 1, format: 'png', warnings: [] };

function request(images: number, signal = new AbortController().signal): PipelineRequest<Uint8Array> {
  return { model, runtime: 'onnx', images: Array.from({ length: images }, () => Buffer.from('photo')), signal };
}

async function compute(bytes: Uint8Array, steps: PipelineSteps) {
  const { pixels, decodeMs } = await steps.preprocess(bytes);
  return steps.compute(pixels, decodeMs, { outputs: ['probabilities'] });
}

/** A promise that is settled from outside. */
function gate() {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

test('computes every image, and returns the timings', async () => {
  const seen: string[] = [];
  const pipeline = fakePipeline(outputs, { onImage: ({ name }, runtime) => seen.push(`${name}/${runtime}`) });
  const results = await pipeline.run(request(2), compute);
  expect(results).toMatchObject([
    { outputs, timings: { queueMs: 1, inferenceMs: 2, batchSize: 3 } },
    { outputs, timings: { decodeMs: expect.any(Number) } },
  ]);
  expect(seen).toEqual([`${model.name}/onnx`, `${model.name}/onnx`]);
});

test('one image is interactive and many are bulk, for decoding as for inference', async () => {
  const decoded: string[] = [];
  const decoding = new DecodeQueue(1_000_000);
  const pipeline = fakePipeline(outputs, {
    decoding: {
      turn: (turn) => {
        decoded.push(turn.priority);
        return decoding.turn(turn);
      },
    },
  });
  await pipeline.run(request(1), compute);
  await pipeline.run(request(2), compute);
  expect(decoded).toEqual(['interactive', 'bulk']);
  expect(pipeline.items.map(({ priority }) => priority)).toEqual(['interactive', 'bulk', 'bulk']);
});

test('images over the limit are refused before they are decoded, and admitted again when there is room', async () => {
  const { opened, open } = gate();
  const pipeline = fakePipeline(outputs, { preprocess: () => opened.then(() => prepared) });
  const first = pipeline.run(request(3), compute);
  await expect(pipeline.run(request(2), compute)).rejects.toMatchObject({ code: 'queue_full', retryAfter: 1 });
  open();
  await first;
  await expect(pipeline.run(request(2), compute)).resolves.toHaveLength(2);
});

test('a model that cannot be used fails the request and frees its place', async () => {
  const pipeline = fakePipeline(outputs, { use: () => Promise.reject(new AppError('model_unavailable', 'gone')) });
  await expect(pipeline.run(request(1), compute)).rejects.toMatchObject({ code: 'model_unavailable' });
  expect(pipeline.admission.inFlight).toBe(0);
});

test('the first failure of an image fails the request, and drops what waits for the others', async () => {
  const { opened, open } = gate();
  let decoded = 0;
  const pipeline = fakePipeline(outputs, {
    decoding: new DecodeQueue(10_000_000),
    preprocess: (_bytes, _recipe, turn) =>
      turn(6_000_000, async () => {
        decoded += 1;
        if (decoded === 1) throw new AppError('shutting_down', 'stop');
        await opened;
        return prepared;
      }),
  });
  const failed = pipeline.run(request(3), compute);
  // The second starts as soon as the first has ended; the third is dropped.
  setImmediate(open);
  await expect(failed).rejects.toMatchObject({ code: 'shutting_down' });
  expect(decoded).toBe(2);
  expect(pipeline.admission.inFlight).toBe(0);
});

test('a client that leaves gets no answer; its image counts until its decoding has ended, and is not computed', async () => {
  const { opened, open } = gate();
  const client = new AbortController();
  const pipeline = fakePipeline(outputs, { preprocess: () => opened.then(() => prepared) });
  const answer = pipeline.run(request(2, client.signal), compute);
  const refused = expect(answer).rejects.toThrow('the client left');
  client.abort(new Error('the client left'));
  await new Promise(setImmediate);
  expect(pipeline.admission.inFlight).toBe(2);
  open();
  await refused;
  expect(pipeline.admission.inFlight).toBe(0);
  expect(pipeline.items.every(({ signal }) => signal?.aborted)).toBe(true);
});

test('a client that leaves while the model is being loaded is not waited for', async () => {
  const client = new AbortController();
  const { opened, open } = gate();
  let loaded: Promise<unknown> = Promise.resolve();
  const pipeline = fakePipeline(outputs, {
    use: (_model, _runtime, work) => {
      const used = opened.then(() => work({ submit: () => Promise.reject(new Error('must not be computed')) }));
      loaded = used;
      return used;
    },
  });
  const answer = pipeline.run(request(1, client.signal), compute);
  client.abort(new Error('the client left'));
  await expect(answer).rejects.toThrow('the client left');
  expect(pipeline.admission.inFlight).toBe(0);
  open();
  await expect(loaded).rejects.toThrow('the client left');
});

test('a request of many images raises no warning about listeners', async () => {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  process.on('warning', note);
  const decoding = new DecodeQueue(1_000_000);
  const pipeline = new ImagePipeline({
    use: (_model, _runtime, work) =>
      work({ submit: async () => ({ outputs, queueMs: 0, inferenceMs: 0, batchSize: 1 }) }),
    preprocess: (_bytes, _recipe, turn) =>
      turn(1, async () => {
        await new Promise(setImmediate);
        return prepared;
      }),
    admission: { admit: () => () => undefined },
    decoding,
    onImage: () => {},
  });
  await pipeline.run(request(64), compute);
  await new Promise(setImmediate);
  process.off('warning', note);
  expect(warnings).toEqual([]);
});
