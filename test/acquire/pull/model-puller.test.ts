import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import { ModelPuller } from '../../../src/acquire/pull/model-puller.ts';
import type { PullOptions, PullProgress } from '../../../src/acquire/pull/pull-options.ts';
import { lockFolder } from '../../../src/common/folder-lock.ts';
import { elementCount } from '../../../src/common/tensor.ts';
import { float32Tensor, writeSafetensors } from '../../../src/convert/formats/safetensors/writer.ts';
import { readDownloadSettings } from '../../../src/download/settings.ts';
import { Registry } from '../../../src/registry/registry.ts';
import { MisbehavingHost } from '../../download/misbehaving-host.ts';

const content = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 31) % 251));
const sha256 = createHash('sha256').update(content).digest('hex');
const resnet50 = JSON.parse(readFileSync('zoo/resnet50.tv_in1k/manifest.json', 'utf8'));
const name = resnet50.name;
const hubPath = new URL(resnet50.weights.source.url).pathname;

let folder: string;
let host: MisbehavingHost;
let phases: Set<PullProgress['phase']>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pull-'));
  cpSync('zoo/labels', join(folder, 'seed', 'labels'), { recursive: true });
  host = await new MisbehavingHost(content).listen();
  phases = new Set();
  await pin({ sha256, size_bytes: content.length });
});

afterEach(async () => {
  await host.close();
  await rm(folder, { recursive: true });
});

/** Makes the test file the one that the manifest of the ResNet-50 pins. */
async function pin(weights: object): Promise<void> {
  const { sha256: _, confidence, ...rest } = resnet50.weights;
  await mkdir(join(folder, 'seed', name), { recursive: true });
  await writeFile(
    join(folder, 'seed', name, 'manifest.json'),
    JSON.stringify({ ...resnet50, weights: { ...rest, ...weights } }),
  );
}

const makeWork = async () => {
  const work = join(folder, 'data', '.pulling', name);
  await mkdir(work, { recursive: true });
  return work;
};
const place = () => join(folder, 'data', name, 'model.safetensors');

function pull(options: Partial<PullOptions> = {}, environment: Record<string, string> = { HF_ENDPOINT: host.origin }) {
  const puller = new ModelPuller({
    seedDir: join(folder, 'seed'),
    pulledDir: join(folder, 'data'),
    settings: () => readDownloadSettings(environment),
    patience: { stallMs: 2_000, backoffMs: 1 },
  });
  return puller.pull(name, {
    onProgress: ({ phase }) => phases.add(phase),
    signal: new AbortController().signal,
    ...options,
  });
}

describe('a pull', () => {
  test('downloads what the manifest pins from the endpoint, with the token, to where the zoo reads it', async () => {
    const { model, fetched } = await pull({}, { HF_ENDPOINT: `${host.origin}/hub/`, HF_TOKEN: 'hf_secret' });
    expect(fetched).toBe(true);
    expect(model).toMatchObject({ name, version: 1 });
    expect(await model.files()).toEqual({ weightsPath: place() });
    expect(readFileSync(place()).equals(content)).toBe(true);
    expect(host.requests).toHaveLength(1);
    expect(host.requests[0]?.url).toBe(`/hub${hubPath}`);
    expect(host.requests[0]?.headers.authorization).toBe('Bearer hf_secret');
    expect([...phases]).toEqual(['download', 'verify']);
    expect(readdirSync(join(folder, 'data', '.pulling'))).toEqual([]);
  });

  test('of a model that is there verifies it, and downloads it again when it is damaged', async () => {
    await pull();
    expect(await pull()).toMatchObject({ fetched: false });
    expect(host.requests).toHaveLength(1);
    await writeFile(place(), content.subarray(1));
    expect(await pull()).toMatchObject({ fetched: true });
    expect(readFileSync(place()).equals(content)).toBe(true);
  });

  test('waits for another one of the same model, and shares its download', async () => {
    const results = await Promise.all([pull(), pull(), pull()]);
    expect(results.filter(({ fetched }) => fetched)).toHaveLength(1);
    expect(host.requests).toHaveLength(1);
  });

  test('that waits for another one ends with the reason of its signal', async () => {
    const unlock = await lockFolder(await makeWork());
    const controller = new AbortController();
    const onProgress = ({ phase }: PullProgress) => {
      if (phase === 'wait') controller.abort(new Error('cancelled'));
    };
    await expect(pull({ onProgress, signal: controller.signal })).rejects.toThrow('cancelled');
    await unlock();
  });

  test('resumes the download of a process that died', async () => {
    host.mischief.push(host.cut(100_000), ...Array.from({ length: 5 }, () => host.cut(0)));
    await expect(pull()).rejects.toThrow('the next pull resumes after the');
    expect(existsSync(place())).toBe(false);
    await writeFile(join(folder, 'data', '.pulling', name, 'lock'), '4194304-1');
    await pull();
    expect(host.requests.at(-1)?.headers.range).toMatch(/^bytes=[1-9]\d+-$/);
    expect(readFileSync(place()).equals(content)).toBe(true);
  });

  test('records the digest that the host publishes when the manifest has none', async () => {
    await pin({ size_bytes: 1, size_is: 'estimate' });
    host.headers = { 'x-linked-etag': `"${sha256}"` };
    const { model } = await pull();
    expect(model.manifest.file.weights).toMatchObject({ sha256, size_bytes: content.length });
    const lock = JSON.parse(readFileSync(join(folder, 'data', name, 'weights.lock.json'), 'utf8'));
    expect(lock).toEqual({ sha256, size_bytes: content.length });
  });

  test('of an unknown name or an embedded model is refused', async () => {
    cpSync('zoo/resnet18_slim.tiny200', join(folder, 'seed', 'resnet18_slim.tiny200'), { recursive: true });
    const puller = new ModelPuller({
      seedDir: join(folder, 'seed'),
      pulledDir: join(folder, 'data'),
      settings: () => readDownloadSettings({}),
    });
    const options = { onProgress: () => {}, signal: new AbortController().signal };
    await expect(puller.pull('../etc', options)).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(puller.pull('resnet18_slim.tiny200', options)).resolves.toMatchObject({ fetched: false });
  });
});

describe('without a network', () => {
  test('the error says what to download and where to put it; a file that is put there is used', async () => {
    await host.close();
    const endpoint = { HF_ENDPOINT: 'http://127.0.0.1:9' };
    const failure = await pull({}, endpoint).catch((thrown) => thrown);
    expect(failure.message).toBe(
      `127.0.0.1:9 cannot be reached (ECONNREFUSED): fetch ${resnet50.weights.source.url} elsewhere and put it here as ${place()}`,
    );
    await mkdir(join(folder, 'data', name), { recursive: true });
    await writeFile(place(), content);
    expect(await pull({}, endpoint)).toMatchObject({ fetched: false });
    host = await new MisbehavingHost(content).listen();
  });
});

describe('a pull that would fill the disk', () => {
  const puller = (free: number) =>
    new ModelPuller({
      seedDir: join(folder, 'seed'),
      pulledDir: join(folder, 'data'),
      settings: () => readDownloadSettings({ HF_ENDPOINT: host.origin }),
      freeBytes: async () => free,
    });
  const options = { onProgress: () => {}, signal: new AbortController().signal };
  const full = expect.objectContaining({
    code: 'storage_full',
    message: expect.stringMatching(
      /^"resnet50\.tv_in1k" needs 307 MB, and the disk of the server has only 307 MB left\./,
    ),
  });

  test('is refused before it downloads anything', async () => {
    await expect(puller(306_900_000).expectPullable(name, false)).rejects.toThrow(full);
    await expect(puller(306_900_000).pull(name, options)).rejects.toThrow(full);
    await expect(puller(306_930_000).expectPullable(name, false)).resolves.toBe(name);
  });

  test('needs no space for what an earlier one has downloaded', async () => {
    await writeFile(join(await makeWork(), 'model.safetensors.part'), Buffer.alloc(100_000));
    await expect(puller(306_900_000).expectPullable(name, false)).resolves.toBe(name);
  });

  test('is none when the model is here', async () => {
    await pull();
    await expect(puller(0).expectPullable(name, false)).resolves.toBe(name);
    expect((await puller(0).pull(name, options)).fetched).toBe(false);
  });
});

describe('a mirror', () => {
  test.each([
    ['in the layout of the hub', () => hubPath.slice(1)],
    ['a folder for each model', () => `${name}/model.safetensors`],
    ['a file for each model', () => `${name}.safetensors`],
  ])('may be a folder: %s', async (_, path) => {
    const mirror = join(folder, 'mirror');
    await mkdir(join(mirror, path(), '..'), { recursive: true });
    await writeFile(join(mirror, path()), content);
    await pull({ mirror });
    expect(readFileSync(place()).equals(content)).toBe(true);
    expect(host.requests).toEqual([]);
  });

  test('may be a base URL, which gets no token', async () => {
    host.mischief.push((_request, response) => {
      response.writeHead(404).end();
      return true;
    });
    await pull({ mirror: `${host.origin}/zoo` }, { HF_TOKEN: 'hf_secret' });
    expect(host.requests.map(({ url }) => url)).toEqual([`/zoo${hubPath}`, `/zoo/${name}/model.safetensors`]);
    expect(host.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  test('with another file, or none, changes nothing', async () => {
    const mirror = join(folder, 'mirror');
    await mkdir(mirror);
    await expect(pull({ mirror })).rejects.toThrow(`the folder ${mirror} has none of ${hubPath.slice(1)}, ${name}/`);
    await writeFile(join(mirror, `${name}.safetensors`), Buffer.alloc(content.length));
    await expect(pull({ mirror })).rejects.toThrow(`is another file: it has SHA-256`);
    await writeFile(join(mirror, `${name}.safetensors`), content.subarray(1));
    await expect(pull({ mirror })).rejects.toThrow('has 199999 bytes, not 200000');
    expect(existsSync(place())).toBe(false);
  });

  test('must publish the digest of a file when the manifest has none', async () => {
    await pin({ size_bytes: 1, size_is: 'estimate' });
    const file = join(folder, `${name}.safetensors`);
    await writeFile(file, content);
    await expect(pull({ mirror: folder })).rejects.toThrow(
      `the SHA-256 of ${file} is unknown: neither the manifest has it`,
    );
    await writeFile(`${file}.sha256`, `${sha256}  model.safetensors\n`);
    expect((await pull({ mirror: folder })).model.manifest.file.weights.sha256).toBe(sha256);
  });
});

describe('a backbone alone', () => {
  const vgg = JSON.parse(readFileSync('zoo/vgg16.tv_in1k/manifest.json', 'utf8'));
  let file: Buffer;
  let beginning: Buffer;

  /** A small VGG under the name of the ResNet-50. */
  beforeEach(async () => {
    const path = join(folder, 'vgg.safetensors');
    const shapes = {
      'features.0.bias': [4],
      'features.0.weight': [4, 3, 3, 3],
      'head.fc.bias': [9],
      'head.fc.weight': [9, 4],
    };
    const tensors = Object.entries(shapes).map(([tensor, shape]) =>
      float32Tensor(tensor, shape, stream(tensor, elementCount(shape), -1, 1)),
    );
    await writeSafetensors(path, tensors);
    file = readFileSync(path);
    beginning = file.subarray(0, file.length - 4 * (9 + 36));
    host.content = file;
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    const { backbone: _, ...weights } = vgg.weights;
    const manifest = {
      ...vgg,
      name,
      architecture: { family: 'vgg', features: [4, 'M'], pool: 1, hidden: [] },
      weights: {
        ...weights,
        sha256: digest(file),
        size_bytes: file.length,
        source: resnet50.weights.source,
        backbone: { size_bytes: beginning.length, sha256: digest(beginning), confidence: 'B' },
      },
    };
    await writeFile(join(folder, 'seed', name, 'manifest.json'), JSON.stringify(manifest));
  });

  test('is fetched by a range request, and is a model without classes', async () => {
    const { model } = await pull({ backboneOnly: true });
    expect(host.requests.map(({ headers }) => headers.range)).toEqual([`bytes=0-${beginning.length - 1}`]);
    expect(model.manifest).toMatchObject({ labels: [], file: { num_classes: 0, num_features: 4, parameters: 112 } });
    const registry = new Registry();
    registry.set({ name, origin: 'zoo', versions: [model], aliases: {}, damaged: {} });
    expect(registry.resolve(name)).toBe(model);
    expect(() => registry.resolveClassifier(name)).toThrow(expect.objectContaining({ code: 'no_classifier' }));
    expect(await pull({ backboneOnly: true })).toMatchObject({ fetched: false });
  });

  test('is replaced by the whole model', async () => {
    await pull({ backboneOnly: true });
    const { model, fetched } = await pull();
    expect(fetched).toBe(true);
    expect(model.manifest.file.num_classes).toBe(1000);
    expect(readdirSync(join(folder, 'data', name)).sort()).toEqual(['model.safetensors', 'weights.lock.json']);
    expect(await pull({ backboneOnly: true })).toMatchObject({ fetched: false });
  });

  test('does not satisfy a concurrent pull of the whole model', async () => {
    const [backbone, whole] = await Promise.all([pull({ backboneOnly: true }), pull()]);
    expect(whole.model.manifest.file.num_classes).toBe(1000);
    expect(backbone.model.manifest.file.num_classes).toBeOneOf([0, 1000]);
    expect(await pull()).toMatchObject({ fetched: false });
  });

  test('leaves no partial download when it is cancelled and the whole model is pulled', async () => {
    const controller = new AbortController();
    const cancel = () => controller.abort(new Error('cancelled'));
    await expect(pull({ backboneOnly: true, onProgress: cancel, signal: controller.signal })).rejects.toThrow(
      'cancelled',
    );
    await pull();
    expect(readdirSync(join(folder, 'data', '.pulling'))).toEqual([]);
  });

  test('needs a manifest that says where the backbone ends', async () => {
    await pin({ sha256, size_bytes: content.length });
    await expect(pull({ backboneOnly: true })).rejects.toThrow('cannot be pulled alone');
  });
});
