import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readZip } from '../zip-reader.ts';
import { readContract } from './contract.ts';
import { ask, OPENAPI } from './fixture.ts';
import { BACKBONE, startWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;
let name: string;
let count = 0;

beforeAll(async () => {
  bench = await startWorkbench();
});
afterAll(() => bench.close());

/** A model of two versions of its own for each test. */
beforeEach(async () => {
  count += 1;
  name = `flowers-${count}`;
  await bench.publish(name);
  await bench.publish(name);
});

const put = (alias: string, body: unknown, id = name) =>
  ask(bench, `/models/${id}/aliases/${alias}`, {
    method: 'PUT',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
  });
const remove = (path: string) => ask(bench, path, { method: 'DELETE' });
const card = async (id: string) => JSON.parse((await ask(bench, `/models/${id}`)).text);

describe('aliases', () => {
  it('promote and roll back: the bare name stands for the version at once', async () => {
    for (const version of [1, 2, 1]) {
      const { status, text } = await put('production', { version });
      expect([status, JSON.parse(text).version]).toEqual([200, version]);
      expect(bench.registry.resolve(name).version).toBe(version);
    }
  });

  it('with other names can be listed, used and removed', async () => {
    await put('stable', { version: 1 });
    expect((await card(name)).aliases).toEqual({ production: 2, stable: 1 });
    expect((await card(`${name}@stable`)).version).toBe(1);
    expect((await remove(`/models/${name}/aliases/stable`)).status).toBe(200);
    expect((await card(name)).aliases).toEqual({ production: 2 });
    expect((await remove(`/models/${name}/aliases/stable`)).status).toBe(200);
  });

  it.each<[string, unknown, number, string]>([
    ['production', { version: 7 }, 404, 'version_not_found'],
    ['production', { version: '1' }, 400, 'invalid_request'],
    ['production', { version: 1, force: true }, 400, 'invalid_request'],
    ['production', [], 400, 'invalid_request'],
    ['3', { version: 1 }, 400, 'invalid_request'],
    ['Stable', { version: 1 }, 400, 'invalid_request'],
  ])('that are not valid are refused: %s %j', async (alias, body, status, code) => {
    const answer = await put(alias, body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it('are set by the example of openapi.yaml', async () => {
    const [example] = readContract(OPENAPI).requestExamples(/aliases/);
    expect([example?.fault, (await put('shown', example?.body)).status]).toEqual([undefined, 200]);
  });

  it('need a small JSON body', async () => {
    const path = `/models/${name}/aliases/production`;
    const json = { 'Content-Type': 'application/json' };
    const text = await ask(bench, path, { method: 'PUT', body: 'version=1' });
    expect([text.status, text.body.code]).toEqual([415, 'unsupported_media_type']);
    const broken = await ask(bench, path, { method: 'PUT', body: '{"version"', headers: json });
    expect([broken.status, broken.body.code]).toEqual([400, 'invalid_request']);
    const large = await ask(bench, path, { method: 'PUT', body: ' '.repeat(2_000), headers: json });
    expect([large.status, large.body.code]).toEqual([413, 'body_too_large']);
  });

  it('cannot be set for unknown models, models of the zoo, or references with a version', async () => {
    expect((await put('production', { version: 1 }, 'nobody')).body.code).toBe('model_not_found');
    const zoo = await put('production', { version: 1 }, BACKBONE);
    expect([zoo.status, zoo.body.code]).toEqual([409, 'model_read_only']);
    expect((await put('production', { version: 1 }, `${name}@1`)).body.code).toBe('invalid_request');
  });
});

describe('versions', () => {
  it('are removed with their queues; then the newest of the others serves', async () => {
    expect((await remove(`/models/${name}@2`)).status).toBe(204);
    expect(bench.released.at(-1)).toMatchObject({ name, version: 2 });
    expect(await card(name)).toMatchObject({ version: 1, versions: [1] });
    expect((await ask(bench, `/models/${name}@2`)).body.code).toBe('model_not_found');
  });

  it('are removed with the model when they are the last', async () => {
    for (const version of [1, 2]) await remove(`/models/${name}@${version}`);
    expect((await ask(bench, `/models/${name}`)).body.code).toBe('model_not_found');
    const { models } = JSON.parse((await ask(bench, '/models')).text);
    expect(models.map(({ id }: { id: string }) => id)).not.toContain(name);
  });

  it('cannot be removed while an alias points to them', async () => {
    await put('production', { version: 1 });
    const { status, body } = await remove(`/models/${name}@1`);
    expect([status, body.code]).toEqual([409, 'version_in_use']);
    expect(body.detail).toContain('production');
  });

  it('must be given by their number', async () => {
    for (const id of [name, `${name}@production`, `${name}@1@2`, `${name}@0`]) {
      const { status, body } = await remove(`/models/${id}`);
      expect([status, body.code]).toEqual([400, 'invalid_request']);
      expect(body.detail).toContain(`${name}@1`);
    }
  });

  it('of the zoo cannot be removed, and unknown ones are not found', async () => {
    const zoo = await remove(`/models/${BACKBONE}@1`);
    expect([zoo.status, zoo.body.code]).toEqual([409, 'model_read_only']);
    expect((await remove(`/models/${name}@9`)).body.code).toBe('version_not_found');
    expect((await remove('/models/nobody@1')).body.code).toBe('model_not_found');
  });
});

it.each(['@1@2', '@1@junk', '@', '@@1', '@01', '@production@2', '@1%20', '%40%40'])(
  'a reference like name%s is not found, on any route',
  async (junk) => {
    for (const path of [`/models/${name}${junk}`, `/models/${name}${junk}/report`, `/models/${name}${junk}/export`]) {
      const { status, body } = await ask(bench, path);
      expect([path, status, body.code]).toEqual([path, 404, 'model_not_found']);
    }
  },
);

describe('the card of a fine-tuned model', () => {
  it('has a summary of the report, the provenance and the threshold', async () => {
    expect(await card(name)).toMatchObject({
      unknown_threshold: 0.4,
      provenance: { backbone: `${BACKBONE}@1` },
      report: { verdict: expect.any(Array), accuracy: expect.any(Number), baselines: expect.any(Object) },
    });
    expect(await card(BACKBONE)).not.toHaveProperty('report');
  });
});

describe('the report', () => {
  const path = () => `/models/${name}@1/report`;

  it('is JSON for programs', async () => {
    const { text } = await ask(bench, path());
    expect(JSON.parse(text)).toMatchObject({ schema: 1, classes: expect.any(Array), test: expect.any(Object) });
  });

  it.each([
    ['a browser', '', 'text/html,application/xhtml+xml,*/*;q=0.8'],
    ['who asks by query', '?format=html', 'application/json'],
  ])('is a page for %s, with a policy that allows only its own style', async (_, query, Accept) => {
    const response = await fetch(bench.url + path() + query, { headers: { Accept } });
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = response.headers.get('content-security-policy');
    expect(policy).toContain("style-src 'unsafe-inline'");
    expect(policy).not.toContain('script-src');
    expect(await response.text()).toContain('<title>Report</title>');
  });

  it('has thumbnails of the images that it names', async () => {
    expect((await ask(bench, `${path()}/pictures`)).body).toEqual({
      'rose/1.jpg': expect.stringMatching(/^data:image/),
    });
    const zoo = await ask(bench, `/models/${BACKBONE}/report/pictures`);
    expect([zoo.status, zoo.body.code]).toEqual([404, 'report_not_found']);
  });

  it('exists only for fine-tuned models, as JSON and HTML', async () => {
    const zoo = await ask(bench, `/models/${BACKBONE}/report`);
    expect([zoo.status, zoo.body.code]).toEqual([404, 'report_not_found']);
    const odd = await ask(bench, `${path()}?format=pdf`);
    expect([odd.status, odd.body.code]).toEqual([400, 'invalid_request']);
    expect(odd.body.detail).toContain('json or html');
  });
});

describe('an export', () => {
  async function download(id: string, format: string) {
    const response = await fetch(`${bench.url}/models/${id}/export?format=${format}`);
    expect(response.headers.get('content-type')).toBe('application/zip');
    const files = await readZip(Buffer.from(await response.arrayBuffer()));
    return { name: response.headers.get('content-disposition'), files };
  }

  it('is a zip of the model, its classes, its card and instructions', async () => {
    const { name: disposition, files } = await download(`${name}@1`, 'onnx');
    expect(disposition).toBe(`attachment; filename="${name}-1-onnx.zip"`);
    expect([...files.keys()]).toEqual(['README.txt', 'card.json', 'labels.json', 'labels.txt', 'model.onnx']);
    expect(files.get('README.txt')?.toString()).toContain('ort.InferenceSession');
    expect(JSON.parse(String(files.get('card.json')))).toMatchObject({ id: name, version: 1 });
    expect(files.get('labels.txt')?.toString().split('\n')).toHaveLength(201);
    const session = await ort.InferenceSession.create(files.get('model.onnx') ?? Buffer.alloc(0));
    expect(session.inputNames).toEqual(['pixels']);
    await session.release();
  });

  it('has three formats, also for models of the zoo', async () => {
    const tfjs = await download(BACKBONE, 'tfjs');
    expect(tfjs.name).toBe(`attachment; filename="${BACKBONE}-1-tfjs.zip"`);
    expect(tfjs.files.has('model.json')).toBe(true);
    const { files } = await download(BACKBONE, 'safetensors');
    expect(files.has('model.safetensors')).toBe(true);
    expect(JSON.parse(String(files.get('architecture.json')))).toMatchObject({ num_classes: 200 });
  });

  it('is refused for other formats and unknown models', async () => {
    const odd = await ask(bench, `/models/${name}/export?format=pickle`);
    expect([odd.status, odd.body.code]).toEqual([400, 'invalid_request']);
    expect((await ask(bench, '/models/nobody/export')).body.code).toBe('model_not_found');
  });

  it('is refused with an option that does not exist', async () => {
    const { status, body } = await ask(bench, `/models/${name}/export?quantise=uint8`);
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(body.detail).toBe('quantise is not an option; the options are format, quantize, variant.');
  });

  it.each([
    ['format=tfjs&quantize=int4', 'float32 or float16 or uint8'],
    ['format=onnx&quantize=uint8', 'only tfjs stores'],
    ['quantize=float16', 'float32 with format=onnx'],
  ])('is refused with ?%s', async (query, hint) => {
    const { body } = await ask(bench, `/models/${name}/export?${query}`);
    expect(body).toMatchObject({ code: 'invalid_request', context: { errors: [{ field: 'quantize' }] } });
    expect(body.detail).toContain(hint);
  });
});
