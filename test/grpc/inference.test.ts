import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { decode, type ValueOf } from '../../src/common/protobuf.ts';
import { InferenceStatistics } from '../../src/metrics/inference-statistics.ts';
import {
  indexRequest,
  indexResponse,
  inferenceRequest,
  inferenceResponse,
  modelConfigResponse,
  modelMetadata,
  modelReference,
  readiness,
  repositoryRequest,
  serverMetadata,
  statisticsResponse,
  type TensorMessage,
} from '../../src/oip/messages.ts';
import type { ServingState } from '../../src/serving/model-serving.ts';
import { CONFIG, startServer, type TestServer } from '../http/fixture.ts';
import { picture } from '../image/pictures.ts';
import { firstPixelInference, IMAGE, MODEL } from '../protocol/first-pixel-inference.ts';
import { startGrpc, type TestGrpc } from './fixture.ts';

/** The Open Inference Protocol in gRPC and, over the same services, in HTTP. */
const { registry, inference, runtimes } = await firstPixelInference();
const statistics = new InferenceStatistics();
let state: ServingState = { state: 'READY', reason: '' };
const changes: string[] = [];
const entry = { name: MODEL, version: '1', state: 'READY', reason: '' } as const;
const control = {
  state: (reference: string) => {
    registry.resolve(reference);
    return state;
  },
  index: (ready: boolean) =>
    ready ? [entry] : [entry, { name: 'broken', state: 'UNAVAILABLE' as const, reason: 'no weights' }],
  load: async (model: string) => {
    changes.push(`load ${model}`);
    return entry;
  },
  unload: async (model: string) => {
    changes.push(`unload ${model}`);
    return entry;
  },
};

let server: TestGrpc;
let http: TestServer;
beforeAll(async () => {
  server = await startGrpc({ inference, control, statistics });
  http = await startServer({ inference, control, statistics });
});
afterAll(() => Promise.all([server.close(), http.close()]));
beforeEach(() => {
  state = { state: 'READY', reason: '' };
  changes.length = 0;
});

type Request = ValueOf<typeof inferenceRequest>;

/** Two images whose first pixels are told apart. */
function twoImages(): Uint8Array {
  const data = new Uint8Array(2 * IMAGE);
  data.set([10, 200], 0);
  data.set([30, 40], IMAGE);
  return data;
}

const floats = (values: ArrayLike<number>): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
/** Varints, packed. */
const varints = (values: ArrayLike<number>): Uint8Array =>
  Uint8Array.from(Array.from(values).flatMap((value) => (value < 128 ? [value] : [(value & 127) | 128, value >> 7])));
/** Files as they are in the raw contents of a BYTES tensor. */
const withLengths = (files: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat(
    files.flatMap((file) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(file.length);
      return [length, file];
    }),
  );
const red = () =>
  picture(80, 80, () => [200, 10, 0])
    .png()
    .toBuffer();

/** A request for the logits, unless it asks for something else. */
const request = (input: TensorMessage, more: Request = {}): Request => ({
  model: MODEL,
  inputs: [{ name: 'pixels', ...input }],
  outputs: [{ name: 'logits' }],
  ...more,
});
const infer = async (message: Request) => {
  const { status, detail, code, message: bytes } = await server.ask('ModelInfer', inferenceRequest, message);
  return { status, detail, code, answer: decode(inferenceResponse, bytes) };
};

/** Numbers of an output, from wherever they are. */
function numbersOf({ outputs = [], raw = [] }: ValueOf<typeof inferenceResponse>, index = 0): number[] {
  const bytes = raw[index] ?? outputs[index]?.contents?.floats?.[0] ?? new Uint8Array();
  return Array.from(new Float32Array(Uint8Array.from(bytes).buffer));
}

describe('pixels and files', () => {
  const shape = [2, 64, 64, 3];
  it.each<[string, () => Request | Promise<Request>]>([
    ['UINT8, raw', () => request({ datatype: 'UINT8', shape }, { raw: [twoImages()] })],
    ['UINT8, typed', () => request({ datatype: 'UINT8', shape, contents: { unsigned: [varints(twoImages())] } })],
    ['FP32, raw', () => request({ datatype: 'FP32', shape }, { raw: [floats(twoImages())] })],
    ['FP32, typed', () => request({ datatype: 'FP32', shape, contents: { floats: [floats(twoImages())] } })],
  ])('%s, give the same numbers as in HTTP', async (_how, message) => {
    const { answer, status } = await infer(await message());
    expect(status).toBe('OK');
    const body = JSON.stringify({
      inputs: [{ name: 'pixels', datatype: 'UINT8', shape, data: Array.from(twoImages()) }],
      outputs: [{ name: 'logits' }],
    });
    const response = await fetch(`${http.url}/v2/models/${MODEL}/infer`, { method: 'POST', body });
    const { model_name, model_version, outputs } = (await response.json()) as {
      model_name: string;
      model_version: string;
      outputs: { name: string; datatype: string; shape: number[]; data: number[] }[];
    };
    const [{ data = [], ...tensor } = { data: [] }] = outputs;
    expect(numbersOf(answer)).toEqual(data);
    expect(answer).toMatchObject({ model: model_name, version: model_version });
    expect(answer.outputs?.[0]).toMatchObject(tensor);
  });

  it.each([[[2]], [[2, 1]]])('may be files as BYTES of shape %j, raw or typed', async (of) => {
    const file = await red();
    const raw = await infer(request({ datatype: 'BYTES', shape: of }, { raw: [withLengths([file, file])] }));
    expect(numbersOf(raw.answer)).toEqual([200, 10, 1, 200, 10, 1]);
    const typed = await infer(request({ datatype: 'BYTES', shape: of, contents: { bytes: [file, file] } }));
    expect(numbersOf(typed.answer)).toEqual([200, 10, 1, 200, 10, 1]);
  });

  it('may be more than is parsed at once', async () => {
    const many = new Uint8Array(400 * IMAGE).fill(7);
    const large = await startGrpc({
      inference,
      control,
      config: { ...CONFIG, maxImages: 400, maxBodyBytes: 100_000_000 },
    });
    const message = request({ datatype: 'UINT8', shape: [90, 64, 64, 3] }, { raw: [many.subarray(0, 90 * IMAGE)] });
    const { status } = await large.ask('ModelInfer', inferenceRequest, message);
    const floating = request(
      { datatype: 'FP32', shape: [90, 64, 64, 3] },
      { raw: [floats(many.subarray(0, 90 * IMAGE))] },
    );
    const { message: bytes } = await large.ask('ModelInfer', inferenceRequest, floating);
    await large.close();
    expect(status).toBe('OK');
    expect(numbersOf(decode(inferenceResponse, bytes)).slice(-3)).toEqual([7, 7, 1]);
  });

  it('may be compressed', async () => {
    const message = request({ datatype: 'UINT8', shape }, { raw: [twoImages()] });
    const { message: bytes } = await server.ask('ModelInfer', inferenceRequest, message, { gzip: true });
    expect(numbersOf(decode(inferenceResponse, bytes))).toEqual([10, 200, 1, 30, 40, 1]);
  });
});

describe('a request', () => {
  const one = () => twoImages().subarray(0, IMAGE);
  const input = { datatype: 'UINT8', shape: [1, 64, 64, 3] };

  it('repeats its id, and may name a version, an alias and a runtime', async () => {
    runtimes.length = 0;
    const parameters = [{ key: 'runtime', value: { text: 'tfjs' } }];
    for (const version of ['1', 'production']) {
      const { answer } = await infer(request(input, { id: 'mine', version, parameters, raw: [one()] }));
      expect(answer).toMatchObject({ id: 'mine', version: '1' });
    }
    expect(runtimes).toEqual(['tfjs', 'tfjs']);
  });

  const good = { raw: [new Uint8Array(IMAGE)] };
  it.each<[string, Request, string, string]>([
    ['for no model that there is', { ...request(input, good), model: 'nobody' }, 'model_not_found', 'nobody'],
    ['for no version that there is', request(input, { ...good, version: '7' }), 'model_not_found', '7'],
    [
      'for a version named twice',
      { ...request(input, good), model: `${MODEL}@1`, version: '1' },
      'invalid_request',
      'leave one',
    ],
    ['without an input', { ...request(input, good), inputs: [] }, 'invalid_request', '"pixels"'],
    ['with two inputs', { ...request(input, good), inputs: [{}, {}] }, 'invalid_request', '"pixels"'],
    [
      'with an unknown input',
      { ...request(input, good), inputs: [{ ...input, name: 'x' }] },
      'invalid_request',
      'inputs.0.name',
    ],
    ['of a type that is not taken', request({ ...input, datatype: 'INT64' }, good), 'invalid_request', 'datatype'],
    [
      'for an unknown output',
      { ...request(input, good), outputs: [{ name: 'scores' }] },
      'invalid_request',
      'outputs.0.name',
    ],
    [
      'for an output named twice',
      { ...request(input, good), outputs: [{ name: 'logits' }, { name: 'logits' }] },
      'invalid_request',
      'twice',
    ],
    [
      'for an output that the model lacks',
      { ...request(input, good), model: 'backbone_only' },
      'no_classifier',
      'no logits',
    ],
    ['with a negative size', request({ ...input, shape: [-1, 64, 64, 3] }, good), 'invalid_request', 'shape'],
    ['without a shape', request({ ...input, shape: [] }, good), 'invalid_request', 'shape'],
    [
      'of another size',
      request({ ...input, shape: [1, 32, 32, 3] }, { raw: [new Uint8Array(3072)] }),
      'invalid_request',
      '[n, 64, 64, 3]',
    ],
    ['of too many images', request({ ...input, shape: [65, 64, 64, 3] }, good), 'too_many_images', '65 images'],
    [
      'with fewer bytes than its shape says',
      request(input, { raw: [new Uint8Array(9)] }),
      'invalid_request',
      '9 bytes',
    ],
    ['without values', request(input), 'invalid_request', 'raw_input_contents'],
    [
      'with values in two places',
      request({ ...input, contents: { unsigned: [new Uint8Array(IMAGE)] } }, good),
      'invalid_request',
      'one place',
    ],
    [
      'with values in the place of others',
      request({ ...input, contents: { integers: [new Uint8Array(IMAGE)] } }),
      'invalid_request',
      'uint_contents',
    ],
    [
      'with raw values of two inputs',
      request(input, { raw: [new Uint8Array(IMAGE), new Uint8Array(1)] }),
      'invalid_request',
      'one element',
    ],
    [
      'with fewer numbers than its shape says',
      request({ ...input, contents: { unsigned: [Uint8Array.of(1, 2)] } }),
      'invalid_request',
      '2 numbers',
    ],
    [
      'with numbers above 255',
      request({ ...input, contents: { unsigned: [varints([256, ...new Uint8Array(IMAGE - 1)])] } }),
      'invalid_request',
      '0 to 255',
    ],
    [
      'with normalised pixels',
      request({ ...input, datatype: 'FP32' }, { raw: [floats(new Array(IMAGE).fill(-1.5))] }),
      'invalid_request',
      '0 to 255',
    ],
    [
      'with pixels scaled to 0..1',
      request({ ...input, datatype: 'FP32' }, { raw: [floats(new Array(IMAGE).fill(0.5))] }),
      'invalid_request',
      'from 0 to 1',
    ],
    [
      'with a file that is no image',
      request({ datatype: 'BYTES', shape: [1], contents: { bytes: [Buffer.from('text')] } }),
      'unsupported_image',
      'JPEG',
    ],
    [
      'with fewer files than its shape says',
      request({ datatype: 'BYTES', shape: [2], contents: { bytes: [Buffer.from('a')] } }),
      'invalid_request',
      '1 files',
    ],
    ['with several files an image', request({ datatype: 'BYTES', shape: [2, 2] }, good), 'invalid_request', '[n, 1]'],
    [
      'with files of wrong lengths',
      request({ datatype: 'BYTES', shape: [1] }, { raw: [Uint8Array.of(9, 0, 0, 0, 1)] }),
      'invalid_request',
      'little-endian',
    ],
    [
      'with a file that is too large',
      request({ datatype: 'BYTES', shape: [1], contents: { bytes: [new Uint8Array(200_001)] } }),
      'body_too_large',
      '200001 bytes',
    ],
    ['with an id that is too long', request(input, { ...good, id: 'x'.repeat(1025) }), 'invalid_request', 'id'],
    [
      'for an unknown runtime',
      request(input, { ...good, parameters: [{ key: 'runtime', value: { text: 'cuda' } }] }),
      'invalid_request',
      'runtime',
    ],
  ])('is refused %s', async (_what, message, code, told) => {
    const refused = await infer(message);
    expect(refused).toMatchObject({ code, detail: expect.stringContaining(told) });
    expect(refused.status).toMatch(/^(?:INVALID_ARGUMENT|NOT_FOUND|FAILED_PRECONDITION)$/);
  });

  it('is refused when it is no message, or one of very many fields', async () => {
    for (const bytes of [
      Buffer.from('no message'),
      Buffer.from([0x2a, 0x7f, 1]),
      Buffer.alloc(100_000, '2a00', 'hex'),
    ]) {
      const { status, code, detail } = await server.send('ModelInfer', bytes);
      expect([status, code]).toEqual(['INVALID_ARGUMENT', 'invalid_request']);
      expect(detail).toContain('no ModelInferRequest');
    }
  });
});

describe('outputs', () => {
  const raw = [twoImages().subarray(0, IMAGE)];
  const typed = { unsigned: [varints(twoImages().subarray(0, IMAGE))] };
  const input = { datatype: 'UINT8', shape: [1, 64, 64, 3] };

  it('are all outputs by default, or the requested ones in their order', async () => {
    const all = await infer(request(input, { raw, outputs: [] }));
    expect(all.answer.outputs?.map(({ name }) => name)).toEqual(['probabilities', 'logits', 'features', 'activations']);
    const two = await infer(request(input, { raw, outputs: [{ name: 'features' }, { name: 'logits' }] }));
    expect(two.answer.outputs?.map(({ name }) => name)).toEqual(['features', 'logits']);
    expect([numbersOf(two.answer, 0)[2], numbersOf(two.answer, 1)[2]]).toEqual([2, 2]);
  });

  it('are raw where the input is, unless the request says otherwise', async () => {
    const places = async (message: Request) => {
      const { outputs = [], raw: bytes = [] } = (await infer(message)).answer;
      return [bytes.length, outputs.filter(({ contents }) => contents !== undefined).length];
    };
    const parameters = (binary: boolean) => [{ key: 'binary_data_output', value: { boolean: binary } }];
    expect(await places(request(input, { raw }))).toEqual([1, 0]);
    expect(await places(request({ ...input, contents: typed }))).toEqual([0, 1]);
    expect(await places(request(input, { raw, parameters: parameters(false) }))).toEqual([0, 1]);
    expect(await places(request({ ...input, contents: typed }, { parameters: parameters(true) }))).toEqual([1, 0]);
    const mixed = [
      { name: 'logits' },
      { name: 'features', parameters: [{ key: 'binary_data', value: { boolean: false } }] },
    ];
    expect((await infer(request(input, { raw, outputs: mixed }))).detail).toContain('all are raw, or none');
  });

  it('can be the labels of the most probable classes', async () => {
    const outputs = [{ name: 'logits', parameters: [{ key: 'classification', value: { integer: 2 } }] }];
    const { answer } = await infer(request({ ...input, contents: typed }, { outputs }));
    expect(answer.outputs?.[0]).toMatchObject({ datatype: 'BYTES', shape: [1, 2] });
    const texts = (answer.outputs?.[0]?.contents?.bytes ?? []).map((text) => Buffer.from(text).toString());
    expect(texts.map((text) => text.split(':').slice(0, 2))).toEqual([
      ['200', '1'],
      ['10', '0'],
    ]);
    const binary = await infer(request(input, { raw, outputs }));
    expect(Buffer.from(binary.answer.raw?.[0] ?? [])).toEqual(withLengths(texts.map((text) => Buffer.from(text))));
  });
});

describe('metadata', () => {
  it('of the server lists its extensions', async () => {
    const { message } = await server.send('ServerMetadata', new Uint8Array());
    expect(decode(serverMetadata, message)).toEqual({
      name: 'menagerie',
      version: '0.0.0',
      extensions: ['classification', 'model_configuration', 'model_repository', 'statistics'],
    });
  });

  it('of a model are those of HTTP', async () => {
    const { message } = await server.ask('ModelMetadata', modelReference, { name: MODEL, version: '1' });
    const response = await fetch(`${http.url}/v2/models/${MODEL}`);
    const { inputs, ...document } = (await response.json()) as { inputs: Record<string, unknown>[] };
    const [{ parameters: _, ...input } = {}] = inputs;
    expect(decode(modelMetadata, message)).toEqual({ ...document, inputs: [input] });
  });

  it('of a model has its configuration', async () => {
    const { message } = await server.ask('ModelConfig', modelReference, { name: MODEL });
    expect(decode(modelConfigResponse, message).config).toMatchObject({
      name: MODEL,
      maxBatchSize: CONFIG.maxImages,
      inputs: [{ name: 'pixels', dataType: 2, format: 1, dims: [64, 64, 3] }],
      outputs: [{ name: 'probabilities', dataType: 11, dims: [200] }, {}, {}, {}],
      dynamicBatching: { preferredBatchSizes: [CONFIG.maxBatchSize] },
    });
  });

  it('of an unknown model is an error', async () => {
    for (const method of ['ModelMetadata', 'ModelConfig', 'ModelStatistics']) {
      const { status, code } = await server.ask(method, modelReference, { name: 'nobody' });
      expect([status, code]).toEqual(['NOT_FOUND', 'model_not_found']);
    }
  });
});

describe('the statistics of what was computed', () => {
  const ask = async (name?: string, version?: string) => {
    const reference = { ...(name && { name }), ...(version && { version }) };
    const { message } = await server.ask('ModelStatistics', modelReference, reference);
    return decode(statisticsResponse, message).model_stats ?? [];
  };

  it('are those of HTTP', async () => {
    const version = { name: MODEL, version: 1 };
    statistics.countImage(version, { decodeMs: 4, queueMs: 1, inferenceMs: 10, batchSize: 1 });
    statistics.countBatch(version, 1, 10);
    statistics.countFailure(version, 7);
    const response = await fetch(`${http.url}/v2/models/${MODEL}/stats`);
    const { model_stats } = (await response.json()) as { model_stats: unknown };
    expect(await ask(MODEL)).toEqual(model_stats);
    expect(await ask(MODEL, '1')).toEqual(model_stats);
  });

  it('are of all versions where no model is named', async () => {
    expect(await ask()).toMatchObject([{ name: MODEL, version: '1', inference_stats: { fail: { count: 1 } } }]);
  });
});

describe('the repository', () => {
  it('has an index', async () => {
    const names = async (ready: boolean) => {
      const { message } = await server.ask('RepositoryIndex', indexRequest, { ready });
      return decode(indexResponse, message).models;
    };
    expect(await names(false)).toEqual([entry, { name: 'broken', state: 'UNAVAILABLE', reason: 'no weights' }]);
    expect(await names(true)).toEqual([entry]);
  });

  it('loads and unloads a model, with no parameters but those of HTTP', async () => {
    const parameters = [{ key: 'unload_dependents', value: { boolean: false } }];
    await server.ask('RepositoryModelLoad', repositoryRequest, { model: `${MODEL}@1` });
    await server.ask('RepositoryModelUnload', repositoryRequest, { model: MODEL, parameters });
    expect(changes).toEqual([`load ${MODEL}@1`, `unload ${MODEL}`]);
    for (const refused of [
      { model: MODEL, parameters: [{ key: 'config', value: { text: '{}' } }] },
      { model: MODEL, parameters: [{ key: 'unload_dependents', value: { boolean: true } }] },
      { model: MODEL, repository: 'elsewhere' },
    ]) {
      const { code } = await server.ask('RepositoryModelLoad', repositoryRequest, refused);
      expect(code).toBe('invalid_request');
    }
    expect(changes).toHaveLength(2);
  });

  it('says whether a model is ready', async () => {
    const isReady = async (name: string, version = '') =>
      decode(readiness, (await server.ask('ModelReady', modelReference, { name, version })).message).ready;
    expect([await isReady(MODEL), await isReady(MODEL, '7'), await isReady('nobody')]).toEqual([true, false, false]);
    state = { state: 'LOADING', reason: '' };
    expect(await isReady(MODEL)).toBe(false);
  });
});
