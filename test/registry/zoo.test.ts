import { cpSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AnyCheckpoint } from '../../scripts/generated-tensors.ts';
import { nodesUpTo } from '../../src/convert/graph/graph.ts';
import { pixels } from '../../src/convert/graph/ir.ts';
import { buildBackbone, parseArchitecture } from '../../src/convert/network.ts';
import { readNamedLabels, readZoo } from '../../src/registry/zoo.ts';
import { trainedValues } from '../convert/trained-values.ts';
import { SHARED_ABSENT, sharedPath } from '../shared-data.ts';

const seed = await readZoo('zoo');

describe('the seed of the zoo', () => {
  test('has three models with weights, others that can be pulled, and no damaged one', () => {
    expect(seed.problems).toEqual([]);
    expect(seed.models.map(({ name }) => name)).toEqual([
      'inception_v1_slim.tiny200',
      'resnet18_slim.tiny200',
      'vgg11_bn_slim.tiny200',
    ]);
    expect(seed.absent.length).toBeGreaterThan(20);
  });

  const documents = [...seed.models.map(({ manifest }) => manifest.file), ...seed.absent.map(({ file }) => file)];
  const known = documents.filter(({ architecture }) => typeof architecture === 'string');

  test.each(known.map((file) => [file.name, file] as const))('%s is the network that it says', (_, file) => {
    const [, height, width] = file.input_size;
    const network = buildBackbone(parseArchitecture(file.architecture), new AnyCheckpoint(), pixels([height, width]));
    const features = network.features();
    expect(features.shape.length).toBe(file.num_features);
    expect(trainedValues(nodesUpTo([features])) + (file.num_features + 1) * file.num_classes).toBe(file.parameters);
  });

  test('has the licence, the source of the weights and the requirements of every model', () => {
    for (const { name, license, needs, weights, parameters } of documents) {
      expect(license, name).not.toBe('');
      // A grouped convolution takes more room in TF.js, which has none.
      expect(needs?.disk_bytes, name).toBeGreaterThanOrEqual(weights.size_bytes + 2 * 4 * parameters);
      expect(needs?.memory_bytes, name).toBeGreaterThan(4 * parameters);
      expect(weights.source === undefined, name).toBe(name.endsWith('.tiny200'));
    }
  });

  test('the labels of ImageNet-1k are synsets, in the order of torchvision', async () => {
    const labels = (await readNamedLabels('zoo'))('imagenet-1k');
    expect(labels).toHaveLength(1000);
    expect(labels[0]).toEqual({ label: 'tench', synset: 'n01440764' });
    expect(labels[207]).toEqual({ label: 'golden retriever', synset: 'n02099601' });
    expect(labels[999]?.synset).toBe('n15075141');
  });

  const pins = sharedPath('zoo', 'pins.json');
  test.skipIf(pins === undefined)(
    `has every pinned model as it is pinned (${pins ? 'compared' : SHARED_ABSENT})`,
    async () => {
      const { timm_safetensors: rows } = JSON.parse(await readFile(pins ?? '', 'utf8'));
      for (const row of rows) {
        const file = seed.absent.find(({ name }) => name === row.id)?.file;
        expect(file, row.id).toMatchObject({
          weights: { size_bytes: row.size_bytes, source: { type: 'url', url: row.url } },
          input_size: row.input_size,
          mean: row.mean,
          std: row.std,
          crop_pct: row.crop_pct,
          interpolation: row.interpolation,
        });
        expect(file?.license.toLowerCase()).toBe(row.license);
        expect([file?.weights.sha256 ?? null, file?.weights.confidence ?? 'none found']).toEqual([
          row.sha256,
          row.confidence,
        ]);
        expect(file?.accuracy.map(({ top1 }) => top1).sort()).toEqual(
          row.accuracy.map(({ top1 }: { top1: number }) => top1).sort(),
        );
      }
    },
  );
});

describe('a pulled model', () => {
  const sha256 = 'a'.repeat(64);
  let pulled: string;

  beforeEach(async () => {
    pulled = await mkdtemp(join(tmpdir(), 'pulled-'));
  });

  afterEach(() => rm(pulled, { recursive: true }));

  async function put(name: string, files: Readonly<Record<string, unknown>>): Promise<void> {
    await mkdir(join(pulled, name), { recursive: true });
    for (const [file, content] of Object.entries(files))
      await writeFile(join(pulled, name, file), JSON.stringify(content));
  }

  const find = async (name: string) => {
    const { models, absent, problems } = await readZoo('zoo', pulled);
    return {
      model: models.find((model) => model.name === name),
      absent: absent.some((model) => model.name === name),
      problem: problems.find(({ folder }) => folder === name)?.reason,
    };
  };

  test('is served with the manifest of the seed', async () => {
    expect(await find('resnet50.tv_in1k')).toMatchObject({ model: undefined, absent: true });
    await put('resnet50.tv_in1k', { 'model.safetensors': 'weights' });
    const { model, absent } = await find('resnet50.tv_in1k');
    expect(absent).toBe(false);
    expect(await model?.files()).toEqual({ weightsPath: join(pulled, 'resnet50.tv_in1k', 'model.safetensors') });
    expect(model?.manifest.file.weights.sha256).toMatch(/^5d061a3c/);
  });

  test('has the digest of its lock file where the manifest has none', async () => {
    await put('resnet101.tv_in1k', { 'model.safetensors': 'weights' });
    expect((await find('resnet101.tv_in1k')).problem).toMatch(/^weights\.sha256: missing/);
    await put('resnet101.tv_in1k', { 'weights.lock.json': { sha256, size_bytes: 9 } });
    expect((await find('resnet101.tv_in1k')).model?.manifest.file.weights).toMatchObject({ sha256, size_bytes: 9 });
  });

  test('may have its own manifest, as imported models have', async () => {
    cpSync('zoo/resnet18_slim.tiny200', join(pulled, 'mine'), { recursive: true });
    expect((await find('mine')).problem).toMatch('its folder is called "mine"');
    const manifest = JSON.parse(await readFile(join(pulled, 'mine', 'manifest.json'), 'utf8'));
    await put('mine', { 'manifest.json': { ...manifest, name: 'mine' } });
    expect(await (await find('mine')).model?.files()).toEqual({
      weightsPath: join(pulled, 'mine', 'weights.safetensors'),
    });
  });

  test('is not listed while it is being pulled; a missing file that cannot be downloaded is a problem', async () => {
    await put('.pulling', { 'model.safetensors.part': 'wei' });
    expect((await readZoo('zoo', pulled)).problems).toEqual([]);
    const manifest = JSON.parse(await readFile('zoo/resnet18_slim.tiny200/manifest.json', 'utf8'));
    await put('mine', { 'manifest.json': { ...manifest, name: 'mine' } });
    expect((await find('mine')).problem).toBe('weights.file: there is no weights.safetensors beside the manifest');
  });
});
