import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InferenceStatistics } from '../../src/metrics/inference-statistics.ts';
import type { OutputName } from '../../src/runtime/session.ts';
import { picture } from '../image/pictures.ts';
import { firstPixelInference, IMAGE, MODEL } from '../protocol/first-pixel-inference.ts';
import { readContract } from './contract.ts';
import { ask, CONFIG, OPENAPI, startServer, type TestServer } from './fixture.ts';

/** The Open Inference Protocol over a queue that answers with the first pixel of each image. */
const { inference, runtimes } = await firstPixelInference();
const statistics = new InferenceStatistics();
const unasked = () => {
  throw new Error('no test asks this');
};

let server: TestServer;
beforeAll(async () => {
  const state = () => ({ state: 'READY', reason: '' }) as const;
  const broken = { name: 'broken', state: 'UNAVAILABLE', reason: 'no weights' } as const;
  const index = () => [{ name: MODEL, version: '1', ...state() }, broken];
  const control = { state, index, load: unasked, unload: unasked };
  server = await startServer({ inference, statistics, control, openapi: OPENAPI });
});
afterAll(() => server.close());

interface Output {
  readonly name: OutputName;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly (number | string)[];
  readonly parameters?: { readonly binary_data_size: number };
}

/** Sends a request, with binary data behind it, and takes the answer apart. */
async function infer(
  request: unknown,
  binary?: Uint8Array,
  path = `/v2/models/${MODEL}/infer`,
): Promise<{ status: number; body: { outputs: Output[]; id?: string; detail: string; error: string }; rest: Buffer }> {
  const json = Buffer.from(JSON.stringify(request));
  const headers = binary === undefined ? {} : { 'Inference-Header-Content-Length': String(json.length) };
  const whole = Buffer.concat([json, binary ?? Buffer.alloc(0)]);
  const response = await fetch(server.url + path, { method: 'POST', body: whole, headers });
  const bytes = Buffer.from(await response.arrayBuffer());
  const length = Number(response.headers.get('inference-header-content-length') ?? bytes.length);
  expect(response.headers.get('content-type')).toMatch(
    response.status >= 400 ? /problem\+json/ : length < bytes.length ? /octet-stream/ : /json/,
  );
  const body = JSON.parse(bytes.subarray(0, length).toString());
  return { status: response.status, body, rest: bytes.subarray(length) };
}

const pixels = (datatype: string, shape: readonly number[], extra: object) => ({
  inputs: [{ name: 'pixels', datatype, shape, ...extra }],
  outputs: [{ name: 'logits' }],
});
/** Two images whose first pixels are told apart. */
const twoImages = (): Uint8Array => {
  const data = new Uint8Array(2 * IMAGE);
  data.set([10, 20], 0);
  data.set([30, 40], IMAGE);
  return data;
};

describe('metadata', () => {
  it('of the server lists its extensions', async () => {
    const { body } = await ask(server, '/v2');
    expect(body).toEqual({
      name: 'menagerie',
      version: '0.0.0',
      extensions: ['binary_tensor_data', 'classification', 'model_configuration', 'model_repository', 'statistics'],
    });
  });

  it.each(['', '/versions/1', '/versions/production'])('of a model lists its tensors (%s)', async (version) => {
    const { body } = await ask(server, `/v2/models/${MODEL}${version}`);
    expect(body).toMatchObject({
      name: MODEL,
      versions: ['1'],
      inputs: [{ name: 'pixels', datatype: 'UINT8', shape: [-1, 64, 64, 3] }],
      outputs: [{ name: 'probabilities', shape: [-1, 200] }, { name: 'logits' }, { name: 'features' }, {}],
    });
  });

  it('of an unknown model or version is an error in the form of the protocol', async () => {
    const { status, text } = await ask(server, '/v2/models/nobody');
    const { code, detail, error } = JSON.parse(text);
    expect([status, code]).toEqual([404, 'model_not_found']);
    expect(error).toBe(detail);
    for (const version of ['7', '01', '1@junk', '%40', '1%401']) {
      expect((await ask(server, `/v2/models/${MODEL}/versions/${version}`)).status, version).toBe(404);
    }
    expect((await ask(server, `/v2/models/${MODEL}@1/versions/1`)).body.code).toBe('invalid_request');
  });
});

describe('a backbone alone', () => {
  const path = '/v2/models/backbone_only';
  const asked = (outputs: object) => ({
    inputs: pixels('UINT8', [2, 64, 64, 3], { data: Array.from(twoImages()) }).inputs,
    ...outputs,
  });

  it('has the outputs features and activations', async () => {
    const { body } = await ask(server, path);
    expect(body).toMatchObject({ outputs: [{ name: 'features' }, { name: 'activations' }] });
  });

  it('computes its features', async () => {
    const { status, body } = await infer(asked({ outputs: [{ name: 'features' }] }), undefined, `${path}/infer`);
    expect([status, body.outputs.map(({ name }) => name)]).toEqual([200, ['features']]);
  });

  it.each([
    ['logits', { outputs: [{ name: 'logits' }] }],
    ['probabilities', {}],
  ])('gives no %s', async (name, outputs) => {
    const { status, body } = await infer(asked(outputs), undefined, `${path}/infer`);
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'no_classifier', detail: expect.stringContaining(`no ${name}: ask for`) });
  });
});

describe('pixels', () => {
  it.each([
    ['flat JSON', () => [{ data: Array.from(twoImages()) }] as const],
    ['nested JSON', () => [{ data: [[...twoImages().subarray(0, IMAGE)], [...twoImages().subarray(IMAGE)]] }] as const],
    ['binary data', () => [{ parameters: { binary_data_size: 2 * IMAGE } }, twoImages()] as const],
  ])('may be UINT8 in %s', async (_how, given) => {
    const [extra, binary] = given();
    const { body } = await infer({ id: 'mine', ...pixels('UINT8', [2, 64, 64, 3], extra) }, binary);
    expect(body).toMatchObject({ model_name: MODEL, model_version: '1', id: 'mine' });
    expect(body.outputs[0]?.data).toEqual([10, 20, 1, 30, 40, 1]);
  });

  it('may be FP32, which is rounded, and be sent to a version', async () => {
    const floats = Float32Array.from(twoImages(), (value) => Math.max(0, value - 0.4));
    const binary = new Uint8Array(floats.buffer);
    const request = pixels('FP32', [2, 64, 64, 3], { parameters: { binary_data_size: binary.length } });
    const { body } = await infer(request, binary, `/v2/models/${MODEL}/versions/1/infer`);
    expect(body.outputs[0]?.data).toEqual([10, 20, 1, 30, 40, 1]);
  });

  it.each<[string, object, string]>([
    ['of another size', pixels('UINT8', [1, 32, 32, 3], { data: new Array(32 * 32 * 3).fill(0) }), '[n, 64, 64, 3]'],
    ['fewer than their shape says', pixels('UINT8', [1, 64, 64, 3], { data: [1, 2] }), '2 numbers'],
    ['normalised', pixels('FP32', [1, 64, 64, 3], { data: new Array(IMAGE).fill(-1.5) }), '0 to 255'],
    ['scaled to 0..1', pixels('FP32', [1, 64, 64, 3], { data: new Array(IMAGE).fill(0.5) }), 'from 0 to 1'],
    ['fractions under UINT8', pixels('UINT8', [1, 64, 64, 3], { data: new Array(IMAGE).fill(7.5) }), 'FP32'],
    ['no numbers', pixels('UINT8', [1, 64, 64, 3], { data: new Array(IMAGE).fill('7') }), 'numbers'],
    ['of a type that is not taken', pixels('INT64', [1, 64, 64, 3], { data: [] }), 'datatype'],
    ['of no known input', { inputs: [{ name: 'input0', datatype: 'UINT8', shape: [1], data: [1] }] }, '"pixels"'],
    ['for no known output', { ...pixels('UINT8', [1], {}), outputs: [{ name: 'scores' }] }, 'outputs.0.name'],
    [
      'announced as binary data that are not there',
      pixels('UINT8', [1, 64, 64, 3], { parameters: { binary_data_size: 9 } }),
      '0 bytes',
    ],
  ])('are refused when they are %s', async (_what, request, told) => {
    const { status, body } = await infer(request);
    expect([status, body.error]).toEqual([400, body.detail]);
    expect(body.detail).toContain(told);
  });

  it('are refused when there are too many images, or when the length of the JSON is wrong', async () => {
    expect((await infer(pixels('UINT8', [65, 64, 64, 3], { data: [] }))).status).toBe(413);
    const headers = { 'Inference-Header-Content-Length': '99999' };
    const init = { method: 'POST', body: '{}', headers };
    expect((await ask(server, `/v2/models/${MODEL}/infer`, init)).body.code).toBe('invalid_request');
  });
});

describe('files', () => {
  const red = () =>
    picture(80, 80, () => [200, 10, 0])
      .png()
      .toBuffer();

  it.each([[[2]], [[2, 1]]])('may be BYTES of shape %j, with length prefixes or in base64', async (shape) => {
    const file = await red();
    const length = Buffer.alloc(4);
    length.writeUInt32LE(file.length);
    const binary = Buffer.concat([length, file, length, file]);
    const parameters = { binary_data_size: binary.length };
    const inBinary = await infer(pixels('BYTES', shape, { parameters }), binary);
    expect(inBinary.body.outputs[0]).toMatchObject({ shape: [2, 200], data: [200, 10, 1, 200, 10, 1] });
    const text = file.toString('base64');
    const inJson = await infer(pixels('BYTES', shape, { data: [text, text] }));
    expect(inJson.body.outputs).toEqual(inBinary.body.outputs);
  });

  it('that are no images fail the request; the error says which one', async () => {
    const text = (await red()).toString('base64');
    const { status, body } = await infer(
      pixels('BYTES', [2], { data: [text, Buffer.from('text').toString('base64')] }),
    );
    expect([status, body.detail.slice(0, 7)]).toEqual([415, 'image 1']);
    expect((await infer(pixels('BYTES', [1], { data: ['<photo>'] }))).body.detail).toContain('base64');
    expect((await infer(pixels('BYTES', [2, 2], { data: [text] }))).body.detail).toContain('[n, 1]');
    const cut = pixels('BYTES', [1], { parameters: { binary_data_size: 6 } });
    expect((await infer(cut, Uint8Array.of(9, 0, 0, 0, 1, 2))).body.detail).toContain('little-endian');
  });
});

describe('outputs', () => {
  const given = (outputs: object[] | undefined, parameters = {}) => ({
    ...pixels('UINT8', [1, 64, 64, 3], { data: Array.from(twoImages().subarray(0, IMAGE)) }),
    outputs,
    parameters,
  });

  it('are all outputs by default, or the requested ones in their order', async () => {
    const all = await infer(given(undefined));
    expect(all.body.outputs.map(({ name }) => name)).toEqual(['probabilities', 'logits', 'features', 'activations']);
    const two = await infer(given([{ name: 'features' }, { name: 'logits' }]));
    expect(two.body.outputs.map(({ name, data }) => [name, data?.[2]])).toEqual([
      ['features', 2],
      ['logits', 2],
    ]);
  });

  it('are sent as binary data on request, one or all of them', async () => {
    const one = await infer(given([{ name: 'logits' }, { name: 'features', parameters: { binary_data: true } }]));
    expect(one.body.outputs.map(({ data, parameters }) => [data?.length, parameters?.binary_data_size])).toEqual([
      [3, undefined],
      [undefined, 12],
    ]);
    expect([one.rest.readFloatLE(0), one.rest.readFloatLE(4), one.rest.length]).toEqual([10, 20, 12]);
    const all = await infer(given(undefined, { binary_data_output: true }));
    expect(all.rest.length).toBe(4 * 12);
  });

  it('can be the labels of the most probable classes', async () => {
    const classes = { classification: 2 };
    const json = await infer(given([{ name: 'logits', parameters: classes }]));
    const texts = json.body.outputs[0]?.data ?? [];
    expect(json.body.outputs[0]).toMatchObject({ datatype: 'BYTES', shape: [1, 2] });
    expect(texts.map((text) => String(text).split(':').slice(0, 2))).toEqual([
      ['20', '1'],
      ['10', '0'],
    ]);
    const binary = await infer(given([{ name: 'logits', parameters: { ...classes, binary_data: true } }]));
    const first = String(texts[0]);
    expect(binary.rest.readUInt32LE(0)).toBe(Buffer.byteLength(first));
    expect(binary.rest.subarray(4, 4 + Buffer.byteLength(first)).toString()).toBe(first);
  });

  it('are computed by the requested runtime', async () => {
    runtimes.length = 0;
    await infer(given([{ name: 'logits' }]));
    await infer(given([{ name: 'logits' }], { runtime: 'tfjs' }));
    expect(runtimes).toEqual(['onnx', 'tfjs']);
  });
});

describe("Triton's extensions", () => {
  it.each(['', '/versions/1'])('the configuration has the tensors of one image (%s)', async (version) => {
    const { text } = await ask(server, `/v2/models/${MODEL}${version}/config`);
    expect(JSON.parse(text)).toMatchObject({
      name: MODEL,
      max_batch_size: CONFIG.maxImages,
      input: [{ name: 'pixels', data_type: 'TYPE_UINT8', dims: [64, 64, 3] }],
      output: [{ name: 'probabilities', dims: [200] }, { name: 'logits' }, { name: 'features' }, {}],
      dynamic_batching: { preferred_batch_size: [CONFIG.maxBatchSize] },
    });
  });

  it('the statistics count images, batches and failures of each version', async () => {
    const version = { name: MODEL, version: 1 };
    statistics.countImage(version, { decodeMs: 4, queueMs: 1, inferenceMs: 10, batchSize: 2 });
    statistics.countImage(version, { decodeMs: 2, queueMs: 3, inferenceMs: 10, batchSize: 2 });
    statistics.countBatch(version, 2, 10);
    statistics.countFailure(version, 7);
    const { text } = await ask(server, `/v2/models/${MODEL}/stats`);
    const [stats] = JSON.parse(text).model_stats;
    expect(stats).toMatchObject({
      name: MODEL,
      version: '1',
      inference_count: 2,
      execution_count: 1,
      inference_stats: {
        success: { count: 2, ns: 30e6 },
        fail: { count: 1, ns: 7e6 },
        queue: { count: 2, ns: 4e6 },
        compute_input: { count: 2, ns: 6e6 },
        compute_infer: { count: 2, ns: 20e6 },
      },
      batch_stats: [{ batch_size: 2, compute_infer: { count: 1, ns: 10e6 } }],
    });
    expect(Date.now() - stats.last_inference).toBeLessThan(60_000);
  });

  it('the statistics are of all versions where no model is named', async () => {
    const { text } = await ask(server, '/v2/models/stats');
    const counted = JSON.parse(text).model_stats.map((each: { name: string; version: string }) => [
      each.name,
      each.version,
    ]);
    expect(counted).toEqual([[MODEL, '1']]);
  });

  it('a version that has computed nothing has zeros; an unknown one is an error', async () => {
    const { text } = await ask(server, '/v2/models/backbone_only/versions/1/stats');
    expect(JSON.parse(text).model_stats[0]).toMatchObject({ inference_count: 0, batch_stats: [] });
    for (const what of ['stats', 'config']) {
      const { status, body } = await ask(server, `/v2/models/nobody/${what}`);
      expect([status, body.code]).toEqual([404, 'model_not_found']);
    }
  });
});

describe("version 1 of KServe's protocol", () => {
  const predict = (instances: unknown, model = MODEL) =>
    ask(server, `/v1/models/${model}:predict`, { method: 'POST', body: JSON.stringify({ instances }) });

  it('lists models and their states', async () => {
    expect(JSON.parse((await ask(server, '/v1/models')).text).models).toContain(MODEL);
    expect((await ask(server, `/v1/models/${MODEL}`)).body).toEqual({ name: MODEL, ready: true });
  });

  it('predicts files', async () => {
    const png = await picture(64, 64, () => [1, 0, 34])
      .png()
      .toBuffer();
    const { text } = await predict([{ b64: png.toString('base64') }, { b64: png.toString('base64') }]);
    expect(JSON.parse(text).predictions).toEqual([
      [1, 0, 1],
      [1, 0, 1],
    ]);
  });

  it('predicts pixels', async () => {
    const image = Array.from({ length: 64 }, () => Array.from({ length: 64 }, () => [0, 1, 9]));
    expect(JSON.parse((await predict([image])).text).predictions).toEqual([[0, 1, 1]]);
  });

  it.each<[string, unknown, number, string]>([
    ['no instances', undefined, 400, 'instances'],
    ['none at all', [], 400, 'instances'],
    ['a text', ['x'], 400, 'instance 0'],
    ['no base64', [{ b64: '!' }], 400, 'instance 0'],
    ['pixels of another size', [[[[1, 2, 3]]]], 400, '[n, 64, 64, 3]'],
    ['scaled pixels', [[[[0.5, 0.5, 0.5]]]], 400, '0 to 1'],
    ['too many', Array.from({ length: 65 }, () => [1]), 413, '65'],
  ])('refuses %s', async (_, instances, status, reason) => {
    const answer = await predict(instances);
    expect([answer.status, JSON.parse(answer.text).error]).toEqual([status, expect.stringContaining(reason)]);
  });

  it('knows no other verb, and no unknown model', async () => {
    expect((await predict([{ b64: '' }], 'nobody')).status).toBe(404);
    const { status } = await fetch(`${server.url}/v1/models/${MODEL}:explain`, { method: 'POST' });
    expect(status).toBe(405);
  });
});

describe('the examples of openapi.yaml', () => {
  const examples = readContract(OPENAPI).requestExamples(/^\/v1\/|^\/v2\/models\//);

  it.each(examples)('$method $path fits its schema, and is answered', async ({ method, path, body, fault }) => {
    expect(fault).toBeUndefined();
    const filled = path.replace('{id}', MODEL).replace('{version}', '1');
    // The fake network answers with the first pixel, 200 and 50, which are no probabilities.
    const response = await fetch(server.url + filled, { method: method.toUpperCase(), body: JSON.stringify(body) });
    expect([response.status, await response.text()]).toEqual([200, expect.stringMatching(/200/)]);
  });

  it('are there for version 1 and 2', () => {
    expect(examples.map(({ path }) => path.slice(0, 4))).toEqual(expect.arrayContaining(['/v1/', '/v2/']));
  });
});
