import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ModelAdministration } from '../../src/catalogue/model-administration.ts';
import { ModelCatalogue } from '../../src/catalogue/model-catalogue.ts';
import { RepositoryWatch } from '../../src/catalogue/repository-watch.ts';
import { createLogger } from '../../src/common/logger.ts';
import { QuantizedModels } from '../../src/quantizing/quantized-models.ts';
import { ConceptGraph } from '../../src/registry/concept-graph.ts';
import { FileArtifactStore } from '../../src/registry/file-artifact-store.ts';
import { Registry } from '../../src/registry/registry.ts';
import { Repository } from '../../src/registry/repository.ts';

const SEED = 'resnet18_slim.tiny200';
const logger = createLogger('silent');
let folder: string;
let store: FileArtifactStore;
let registry: Registry;
let catalogue: ModelCatalogue;
let administration: ModelAdministration;
let watch: RepositoryWatch;

/** A server's catalogue over a store with three versions of `flowers`, the first of which serves. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalogue-'));
  store = await FileArtifactStore.open(join(folder, 'models'), logger);
  const files = await mkdtemp(join(folder, 'files-'));
  const manifest = JSON.parse(await readFile(`zoo/${SEED}/manifest.json`, 'utf8'));
  await writeFile(join(files, 'manifest.json'), JSON.stringify({ ...manifest, name: 'flowers' }));
  await writeFile(join(files, manifest.weights.file), 'weights');
  for (const key of ['a', 'b', 'c']) await store.putVersion('flowers', files, key);
  await store.setAlias('flowers', 'production', 1);

  registry = new Registry();
  const repository = new Repository('zoo', store);
  const conversions = { verified: unused, peek: async () => undefined, remove: async () => undefined };
  watch = new RepositoryWatch({
    folders: [join(folder, 'models')],
    repository,
    registry,
    serving: { prepare: unused, release: async () => undefined, state: unused, use: unused },
    logger,
  });
  const quantized = new QuantizedModels(join(folder, 'quantized'));
  catalogue = new ModelCatalogue({
    graph: new ConceptGraph([]),
    registry,
    store,
    conversions,
    quantizer: { get: unused },
    quantized,
    defaultModel: SEED,
    version: '0',
  });
  administration = new ModelAdministration({
    registry,
    store,
    repository,
    release: async () => undefined,
    conversions,
    quantized,
  });
  await watch.scan();
});
afterEach(async () => {
  await watch.close();
  await rm(folder, { recursive: true });
});

function unused(): never {
  throw new Error('not needed here');
}

async function damage(...path: string[]): Promise<void> {
  await appendFile(join(folder, 'models', 'flowers', ...path), '!');
  await watch.scan();
}

describe('a version whose weights are damaged', () => {
  beforeEach(() => damage('1', 'weights.safetensors'));

  test('is unavailable under each of its names, and no other version answers instead', async () => {
    for (const reference of ['flowers', 'flowers@production', 'flowers@1']) {
      await expect(catalogue.describe(reference)).rejects.toMatchObject({
        code: 'model_unavailable',
        message: expect.stringMatching(/flowers\/1\/weights\.safetensors is damaged.*flowers@2, flowers@3$/),
      });
    }
  });

  test('leaves the other versions, whose cards name it', async () => {
    expect(await catalogue.describe('flowers@3')).toMatchObject({
      version: 3,
      versions: [2, 3],
      aliases: { production: 1 },
      damaged: [{ reference: 'flowers@1', reason: expect.stringContaining('weights.safetensors is damaged') }],
    });
  });

  test('is listed with its model', async () => {
    const { models, unavailable } = (await catalogue.list()) as { models: { id: string }[]; unavailable: unknown[] };
    expect(models.map(({ id }) => id)).not.toContain('flowers');
    expect(unavailable).toEqual([
      {
        id: 'flowers',
        reason: expect.stringContaining('flowers@production cannot be used'),
        versions: [2, 3],
        aliases: { production: 1 },
        damaged: [{ reference: 'flowers@1', reason: expect.any(String) }],
      },
    ]);
  });

  test('cannot be promoted, but another one can, and then serves', async () => {
    await expect(administration.setAlias('flowers', 'candidate', 1)).rejects.toMatchObject({
      code: 'model_unavailable',
    });
    await administration.setAlias('flowers', 'production', 2);
    expect(await catalogue.describe('flowers')).toMatchObject({ version: 2 });
  });

  test('can be removed when no alias points to it any more', async () => {
    await administration.setAlias('flowers', 'production', 3);
    await administration.removeVersion('flowers@1');
    expect(await catalogue.describe('flowers')).toMatchObject({ version: 3, versions: [2, 3] });
    expect(await catalogue.describe('flowers')).not.toHaveProperty('damaged');
  });
});

test('models that are not pulled are listed with their accuracy and the size of their weights', async () => {
  const { not_pulled } = (await catalogue.list()) as { not_pulled: { id: string }[] };
  expect(not_pulled.find(({ id }) => id === 'resnet50.tv_in1k')).toMatchObject({
    title: "ResNet-50, torchvision's first weights",
    recommended: true,
    size_bytes: 102_469_840,
    accuracy: [{ dataset: 'ImageNet-1k, validation, as published', top1: 76.156 }],
  });
});

test('a version whose report is damaged has a card that names the file', async () => {
  const files = await mkdtemp(join(folder, 'files-'));
  const manifest = await readFile(join(folder, 'models', 'flowers', '1', 'manifest.json'), 'utf8');
  await writeFile(join(files, 'manifest.json'), manifest);
  await writeFile(join(files, JSON.parse(manifest).weights.file), 'weights');
  await writeFile(join(files, 'report.json'), '{}');
  await store.putVersion('flowers', files, 'd');
  await damage('4', 'report.json');
  const card = await catalogue.describe('flowers@4');
  expect(card).toMatchObject({
    version: 4,
    report_damaged: expect.stringContaining('flowers/4/report.json is damaged'),
  });
  expect(card).not.toHaveProperty('report');
  await expect(catalogue.report('flowers@4', 'json')).rejects.toMatchObject({ code: 'model_unavailable' });
});

describe('an alias whose file is damaged', () => {
  beforeEach(() => damage('.aliases', 'production'));

  test('is unavailable with the file that is damaged, like the bare name', async () => {
    for (const reference of ['flowers', 'flowers@production']) {
      await expect(catalogue.describe(reference)).rejects.toMatchObject({
        code: 'model_unavailable',
        message: expect.stringContaining('flowers/.aliases/production is damaged: '),
      });
    }
    expect(await catalogue.describe('flowers@1')).toMatchObject({
      aliases: {},
      damaged: [{ reference: 'flowers@production', reason: expect.stringContaining('.aliases/production') }],
    });
  });

  test('does not keep other aliases from being set', async () => {
    await administration.setAlias('flowers', 'candidate', 2);
    expect(await catalogue.describe('flowers@candidate')).toMatchObject({ version: 2 });
    expect(await catalogue.describeAny('flowers')).toMatchObject({ version: 3 });
  });

  test('is repaired by setting it again', async () => {
    await administration.setAlias('flowers', 'production', 1);
    expect(await catalogue.describe('flowers')).toMatchObject({ version: 1, aliases: { production: 1 } });
  });
});

test('an alias that points to nothing is unavailable', async () => {
  await rm(join(folder, 'models', 'flowers', '1'), { recursive: true });
  await watch.scan();
  await expect(catalogue.describe('flowers')).rejects.toMatchObject({
    code: 'model_unavailable',
    message: expect.stringContaining('points to version 1, which does not exist'),
  });
});
