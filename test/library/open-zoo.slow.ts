import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { colouredPicture, colourZip } from '../../scripts/labelled-zip.ts';
import { createServer, type FinetuneResult, MenagerieError, openZoo, type Zoo } from '../../src/index.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';
import { readZip } from '../zip-reader.ts';

let dataDir: string;
let zoo: Zoo;
let picture: { readonly png: Uint8Array; readonly top1: number };
let photo: string;
let zip: string;
const handlers = process.listenerCount('SIGTERM') + process.listenerCount('SIGINT');

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'menagerie-library-'));
  const [golden] = await goldenPictures(EMBEDDED[0]);
  if (golden === undefined) throw new Error('there is no golden picture');
  picture = golden;
  photo = join(dataDir, 'photo.png');
  zip = join(dataDir, 'colours.zip');
  await Promise.all([writeFile(photo, golden.png), writeFile(zip, await colourZip(8))]);
  zoo = await openZoo({ dataDir });
});

afterAll(async () => {
  await zoo.close();
  await rm(dataDir, { recursive: true });
});

describe('classify', () => {
  it('answers bytes and paths in their order, each with its own error', async () => {
    const text = join(dataDir, 'text.jpg');
    await writeFile(text, 'no picture');
    const answers = await zoo.classify([picture.png, text, photo, 'missing.jpg'], { topK: 2 });
    expect(answers.map(({ image }) => image)).toEqual(['image 1', text, photo, 'missing.jpg']);
    const [bytes, damaged, path, missing] = answers;
    expect(bytes?.predictions.map(({ label }) => label)).toHaveLength(2);
    expect(bytes?.predictions[0]?.index).toBe(picture.top1);
    expect(path?.predictions).toEqual(bytes?.predictions);
    expect(damaged).toMatchObject({ predictions: [], error: { code: 'unsupported_image' } });
    expect(missing?.error).toBeInstanceOf(MenagerieError);
    expect(missing?.error?.message).toBe('missing.jpg cannot be read: ENOENT: no such file or directory');
  });

  it.each([
    [{ model: 'resnet19' }, 'model_not_found'],
    [{ model: 'resnet50.tv_in1k' }, 'model_not_pulled'],
    [{ topK: 0 }, 'invalid_request'],
    [{ threshold: 2 }, 'invalid_request'],
    [{ runtime: 'tf' as 'tfjs' }, 'invalid_request'],
  ])('rejects %j with a code', async (options, code) => {
    const failed = zoo.classify([picture.png], options);
    await expect(failed).rejects.toBeInstanceOf(MenagerieError);
    await expect(failed).rejects.toMatchObject({ code });
  });

  it("rejects with the signal's reason", async () => {
    const reason = new Error('enough');
    await expect(zoo.classify([picture.png], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const stop = new AbortController();
    const answers = zoo.classify(Array<Uint8Array>(500).fill(picture.png), { signal: stop.signal });
    stop.abort(reason);
    await expect(answers).rejects.toBe(reason);
  });
});

test('explain gives the evidence for a class, and draws it', async () => {
  const { prediction, heatmap, method } = await zoo.explain(photo);
  expect(prediction.index).toBe(picture.top1);
  expect(method).toBe('cam');
  expect(Math.max(...heatmap.values)).toBe(1);
  expect(heatmap.values).toHaveLength(heatmap.width * heatmap.height);
  const png = await zoo.drawExplanation(photo, { class: '3', opacity: 0.5 });
  expect(Buffer.from(png).subarray(1, 4).toString()).toBe('PNG');
  await expect(zoo.explain(photo, { class: 'no such class' })).rejects.toMatchObject({ code: 'invalid_request' });
});

describe('a model that is taught', () => {
  let result: FinetuneResult;

  beforeAll(async () => {
    const synsets = { blue: 'n02123045', red: 'n02124075' };
    const job = await zoo.finetune(zip, { name: 'colours', epochs: 5, augmentation: { copies: 1 }, synsets });
    const phases = new Set<string>();
    for await (const { phase } of job) phases.add(phase);
    expect([...phases]).toContain('training');
    result = await job.result;
  });

  it('is served at once, has a report and can be exported', async () => {
    expect(result).toMatchObject({ model: 'colours', version: 1, promoted: true });
    expect(result.verdict.length).toBeGreaterThan(0);
    const [answer] = await zoo.classify([await colouredPicture('blue', 3)], { model: 'colours', topK: 1 });
    expect(answer?.predictions[0]?.label).toBe('blue');
    expect(JSON.parse(await zoo.report('colours'))).toMatchObject({ model: { name: 'colours', version: 1 } });
    expect(await zoo.report('colours', 'html')).toMatch(/^<!doctype html>/i);
    const { filename, zip: packed } = await zoo.export('colours', { format: 'safetensors' });
    expect(filename).toBe('colours-1-safetensors.zip');
    expect((await buffer(packed)).subarray(0, 2).toString()).toBe('PK');
    const models = await zoo.models();
    expect(models.find(({ name }) => name === 'colours')).toMatchObject({
      state: 'trained',
      versions: [1],
      aliases: { production: 1 },
      classes: 3,
    });
    expect(models.find(({ name }) => name === 'resnet50.tv_in1k')?.state).toBe('absent');
  });

  it('answers over several views of an image', async () => {
    const image = await colouredPicture('blue', 3);
    const answers = await Promise.all(
      ([undefined, 'flip', 'five_crop'] as const).map((tta) =>
        zoo.classify([image], { model: 'colours', ...(tta !== undefined && { tta }) }),
      ),
    );
    const scores = answers.map(([answer]) => answer?.predictions.find(({ label }) => label === 'blue')?.score ?? 0);
    for (const score of scores) expect(score).toBeGreaterThan(0.5);
    expect(new Set(scores).size).toBe(3);
    await expect(zoo.classify([image], { model: 'colours', tta: 'ten_crop' as 'flip' })).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('flip or five_crop'),
    });
  });

  it('is measured by its own classes', async () => {
    const evaluation = await zoo.evaluate('colours', zip);
    expect(evaluation).toMatchObject({ model: 'colours', images: 24, unknownClasses: [], unreadable: [] });
    expect(evaluation.top1).toBeGreaterThan(0.9);
  });

  it('is compared with floats in forms that take fewer bytes', async () => {
    const measured = (variant: 'int8' | 'uint8') => zoo.evaluate('colours', zip, { variant });
    await expect(measured('int8')).rejects.toMatchObject({ code: 'variant_unavailable' });
    expect(await zoo.quantize('colours', zip)).toMatchObject({ variant: 'int8', calibrationImages: 12, images: 12 });
    for (const variant of ['int8', 'uint8'] as const) {
      const { top1, comparison } = await measured(variant);
      expect(comparison).toMatchObject({ variant, images: 24, accuracy: { images: 24, float: top1 } });
      expect(comparison?.agreement).toBeGreaterThan(0.9);
      expect(comparison?.largestDifference).toBeGreaterThan(0);
      expect(comparison?.sizeBytes).toBeLessThan(0.3 * (comparison?.floatSizeBytes ?? 0));
      expect(comparison?.speed.ratio).toBeGreaterThan(0);
      const exported = await zoo.export('colours', { format: 'safetensors' });
      const card = JSON.parse(String((await readZip(await buffer(exported.zip))).get('card.json')));
      const known = { int8: card.quantization, uint8: card.rounded_weights.uint8 }[variant];
      expect(known).toMatchObject({ size_bytes: comparison?.sizeBytes, agreement: expect.any(Number) });
    }
    await expect(measured('int4' as 'int8')).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('int8, float16, uint8'),
    });
  });

  it('knows what is above the classes whose synsets were given', async () => {
    const [answer] = await zoo.classify([await colouredPicture('blue', 3)], { model: 'colours', hierarchy: true });
    expect(answer?.predictions[0]).toMatchObject({ label: 'blue', synset: 'n02123045' });
    expect(answer?.predictions[0]?.path?.map(({ label }) => label)).toContain('domestic cat');
    expect(answer?.predictions.find(({ label }) => label === 'green')).toMatchObject({ path: [] });
  });

  it('is removed by version and as a whole', async () => {
    await expect(zoo.remove('colours@1')).rejects.toMatchObject({ code: 'version_in_use' });
    await zoo.remove('colours');
    await expect(zoo.classify([picture.png], { model: 'colours' })).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(zoo.remove('colours')).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(zoo.remove('resnet18_slim.tiny200')).rejects.toMatchObject({ code: 'model_read_only' });
  });
});

test('a fine-tune is refused before it begins, and leaves nothing when it is cancelled', async () => {
  await expect(zoo.finetune(zip, { name: 'Not a name' })).rejects.toMatchObject({ code: 'invalid_request' });
  await expect(zoo.finetune(zip, { name: 'x', backbone: 'none' })).rejects.toMatchObject({ code: 'model_not_found' });
  const job = await zoo.finetune(zip, { name: 'cancelled' });
  await job.cancel();
  await expect(job.result).rejects.toMatchObject({ name: 'AbortError' });
  expect((await zoo.models()).map(({ name }) => name)).not.toContain('cancelled');
  expect(await readdir(join(dataDir, 'models'))).not.toContain('cancelled');
  const misnamed = await zoo.finetune(zip, { name: 'x', synsets: { Blue: 'n02123045' } });
  await expect(misnamed.result).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringContaining('"Blue" is not a class of the data set; the classes are blue'),
  });
  const missing = await zoo.finetune(join(dataDir, 'missing.zip'), { name: 'x' });
  await expect(missing.result).rejects.toBeInstanceOf(MenagerieError);
});

describe('createServer', () => {
  it('serves the same folder, by its own port and by a handler', async () => {
    const server = await createServer({ dataDir, port: 0 });
    try {
      const { url } = await server.listen();
      const form = new FormData();
      form.append('image', new Blob([new Uint8Array(picture.png)]), 'photo.png');
      const response = await fetch(`${url}/classify?top_k=1`, { method: 'POST', body: form });
      expect(await response.json()).toMatchObject({ results: [{ predictions: [{ index: picture.top1 }] }] });
      expect(server.handler).toBeTypeOf('function');
      await expect(createServer({ dataDir })).rejects.toMatchObject({ code: 'storage_unavailable' });
    } finally {
      await server.close();
    }
  });

  it('refuses wrong settings', async () => {
    await expect(createServer({ port: 70_000 })).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

test('no signal is handled, and after close every call is refused', async () => {
  expect(process.listenerCount('SIGTERM') + process.listenerCount('SIGINT')).toBe(handlers);
  const other = await openZoo({ dataDir });
  await other.close();
  await expect(other.classify([picture.png])).rejects.toMatchObject({ code: 'shutting_down' });
});

test('a program goes on and ends when its zoo cannot be opened', async () => {
  const absent = process.platform === 'win32' ? 'coreml' : 'dml';
  const program = `
    import { openZoo } from './dist/src/index.js';
    await openZoo({ dataDir: process.argv[1], executionProvider: '${absent}' }).catch(({ message }) => console.log(message));
  `;
  const refused = join(dataDir, 'refused');
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program, refused]);
  expect(stdout).toContain(`EXECUTION_PROVIDER=${absent}`);
});
