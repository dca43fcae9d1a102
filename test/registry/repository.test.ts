import { cpSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ArtifactStore } from '../../src/registry/artifact-store.ts';
import { Registry } from '../../src/registry/registry.ts';
import { Repository } from '../../src/registry/repository.ts';
import { MemoryArtifactStore } from './memory-artifact-store.ts';

const resnet = JSON.parse(readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8'));

describe('repository', () => {
  let folder: string;
  let store: MemoryArtifactStore;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'repository-'));
    store = new MemoryArtifactStore();
  });

  afterEach(async () => {
    await store.dispose();
    await rm(folder, { recursive: true });
  });

  /** Puts a version whose manifest is the ResNet's with some fields replaced. */
  async function put(name: string, fields: Record<string, unknown>, weights = 'weights.safetensors'): Promise<number> {
    const files = await mkdtemp(join(folder, 'files-'));
    await writeFile(join(files, 'manifest.json'), JSON.stringify({ ...resnet, ...fields }));
    await writeFile(join(files, weights), 'weights');
    return store.putVersion(name, files, files);
  }

  const flowers = { name: 'flowers', labels: [{ label: 'rose' }, { label: 'tulip' }], num_classes: 2 };

  test('lists the seed of the zoo and what is in the store', async () => {
    await put('flowers', flowers);
    await put('flowers', flowers);
    await store.setAlias('flowers', 'production', 1);
    const { models, problems } = await new Repository('zoo', store).list();
    expect(problems).toEqual([]);
    expect(models.map(({ name }) => name)).toEqual(expect.arrayContaining(['resnet18_slim.tiny200', 'flowers']));

    const found = models.find(({ name }) => name === 'flowers');
    expect(found?.aliases).toEqual({ production: 1 });
    expect(found?.versions.map(({ version }) => version)).toEqual([1, 2]);
    expect(found?.versions[0]?.manifest.labels).toEqual([{ label: 'rose' }, { label: 'tulip' }]);
    expect(readFileSync(String((await found?.versions[0]?.files())?.weightsPath), 'utf8')).toBe('weights');
  });

  test('updates one model of the store in a registry', async () => {
    const repository = new Repository('zoo', store);
    const registry = new Registry();
    await repository.refresh(registry, 'flowers');
    expect(registry.list()).toEqual([]);
    await put('flowers', { ...flowers, labels: 'tiny200', num_classes: 200 });
    await repository.refresh(registry, 'flowers');
    expect(registry.resolve('flowers').manifest.labels[0]).toEqual({ label: 'goldfish', synset: 'n01443537' });
    await store.removeVersion('flowers', 1);
    await repository.refresh(registry, 'flowers');
    expect(registry.list()).toEqual([]);
  });

  test('finds a version that another machine has published since, and asks the store for no other', async () => {
    const repository = new Repository('zoo', store);
    const registry = new Registry();
    for (const model of (await repository.list()).models) registry.set(model);
    const get = vi.spyOn(store, 'get');
    for (const reference of ['resnet18_slim.tiny200', 'resnet18_slim']) await repository.resolve(registry, reference);
    await expect(repository.resolve(registry, 'resnet19.tiny200')).rejects.toMatchObject({ code: 'model_not_found' });
    expect(get).not.toHaveBeenCalled();

    await put('flowers', flowers);
    expect(await repository.resolve(registry, 'flowers@1')).toMatchObject({ name: 'flowers', version: 1 });
    await put('flowers', flowers);
    expect(await repository.resolve(registry, 'flowers@2')).toMatchObject({ name: 'flowers', version: 2 });
    for (const _ of [1, 2]) await repository.resolve(registry, 'flowers@2');
    expect(get).toHaveBeenCalledTimes(2);
    await expect(repository.resolve(registry, 'flowers@3')).rejects.toMatchObject({ code: 'model_not_found' });
  });

  test('asks the store for weights when they are used, not when they are listed', async () => {
    await put('flowers', flowers);
    const asked: string[] = [];
    const { localFile } = MemoryArtifactStore.prototype;
    store.localFile = (name, version, file) => {
      asked.push(file);
      return localFile.call(store, name, version, file);
    };
    const { models } = await new Repository('zoo', store).list();
    expect(asked).toEqual(['manifest.json']);
    const version = models.find(({ name }) => name === 'flowers')?.versions[0];
    for (const _ of [1, 2]) await version?.files();
    expect(asked.slice(1)).toEqual(['weights.safetensors', 'weights.safetensors']);
  });

  test('gives a version as the same object until its manifest changes', async () => {
    await put('flowers', flowers);
    await put('flowers', { ...flowers, labels: 'tiny200', num_classes: 200 });
    const repository = new Repository('zoo', store);
    const versions = async () => {
      const { models } = await repository.list();
      return models.find(({ name }) => name === 'flowers')?.versions ?? [];
    };
    const [first, named] = await versions();
    expect((await versions())[0]).toBe(first);
    // Its labels are those of the zoo, which may change.
    expect((await versions())[1]).not.toBe(named);
    const edited = join(folder, 'manifest.json');
    await writeFile(edited, JSON.stringify({ ...resnet, ...flowers, title: 'edited' }));
    const { localFile } = MemoryArtifactStore.prototype;
    store.localFile = (...file) =>
      file[2] === 'manifest.json' ? Promise.resolve(edited) : localFile.call(store, ...file);
    expect((await versions())[0]?.manifest.file.title).toBe('edited');
  });

  test('a model of which the store knows nothing but the damage is listed with it', async () => {
    const damage = 'models/flowers.json is damaged';
    store.list = async () => [{ name: 'flowers', versions: [], aliases: {}, damagedAliases: {}, damage }];
    const { problems } = await new Repository('zoo', store).list();
    expect(problems).toEqual([{ where: 'flowers/1', reason: damage }]);
  });

  test('a damaged version is listed with the reason, and the others are served', async () => {
    await put('flowers', { ...flowers, crop_pct: 7 });
    await put('flowers', flowers);
    await put('flowers', { ...flowers, name: 'trees' });
    await put('flowers', flowers, 'other.safetensors');
    await put('birds', { ...flowers, name: 'birds', num_classes: 3 });
    const { models, problems } = await new Repository('zoo', store).list();
    const flowersNow = models.find(({ name }) => name === 'flowers');
    expect(flowersNow?.versions.map(({ version }) => version)).toEqual([2]);
    expect(Object.keys(flowersNow?.damaged ?? {})).toEqual(['1', '3', '4']);
    expect(models.find(({ name }) => name === 'birds')).toMatchObject({ versions: [], origin: 'store' });
    expect(problems).toEqual([
      { where: 'birds/1', reason: 'labels: there are 2, but num_classes is 3' },
      { where: 'flowers/1', reason: expect.stringMatching(/^crop_pct: /) },
      { where: 'flowers/3', reason: 'name: "trees", but in the store it is "flowers"' },
      { where: 'flowers/4', reason: expect.stringContaining('never had a file weights.safetensors') },
    ]);
  });

  test('an alias to a version that does not exist is damaged', async () => {
    await put('flowers', flowers);
    const dangling: ArtifactStore = Object.create(store, {
      list: {
        value: async () => [
          { name: 'flowers', versions: [1], aliases: { production: 2 }, damagedAliases: { old: 'x' } },
        ],
      },
    });
    const { models } = await new Repository('zoo', dangling).list();
    expect(models.find(({ name }) => name === 'flowers')).toMatchObject({
      aliases: { production: 2 },
      damaged: { production: 'it points to version 2, which does not exist', old: 'x' },
    });
  });

  test('a name that is in the zoo and in the store is used for neither', async () => {
    const pulled = join(folder, 'pulled');
    cpSync('zoo/resnet18_slim.tiny200', join(pulled, 'flowers'), { recursive: true });
    await writeFile(join(pulled, 'flowers', 'manifest.json'), JSON.stringify({ ...resnet, name: 'flowers' }));
    await put('flowers', flowers);
    await put('flowers', flowers);
    const repository = new Repository('zoo', store, pulled);
    const reason = 'the zoo has a model of the same name; remove one of the two';
    const registry = new Registry();
    await repository.refresh(registry, 'flowers');
    const listed = (await repository.list()).models.find(({ name }) => name === 'flowers');
    for (const model of [listed, registry.find('flowers')]) {
      expect(model).toMatchObject({ versions: [], aliases: {}, damaged: { 1: reason, 2: reason } });
    }
  });

  test('a damaged manifest or labels file of the zoo affects only its own models', async () => {
    const zoo = join(folder, 'zoo');
    for (const name of ['a.b', 'c.d', 'e.f', 'g.h']) {
      await mkdir(join(zoo, name), { recursive: true });
      await writeFile(join(zoo, name, 'manifest.json'), JSON.stringify({ ...resnet, name }));
      await writeFile(join(zoo, name, 'weights.safetensors'), 'weights');
    }
    cpSync('zoo/labels', join(zoo, 'labels'), { recursive: true });
    await writeFile(join(zoo, 'labels', 'broken.json'), '{');
    await writeFile(join(zoo, 'a.b', 'manifest.json'), 'not JSON');
    await writeFile(join(zoo, 'c.d', 'manifest.json'), JSON.stringify({ ...resnet, name: 'c.d', labels: 'broken' }));
    await rm(join(zoo, 'e.f', 'manifest.json'));
    const { models, problems } = await new Repository(zoo, store).list();
    expect(models.map(({ name, versions }) => [name, versions.length])).toEqual([
      ['g.h', 1],
      ['a.b', 0],
      ['c.d', 0],
      ['e.f', 0],
    ]);
    expect(problems.map(({ where }) => where)).toEqual(['a.b', 'c.d', 'e.f']);
    expect(problems[2]?.reason).toBe('there is no manifest.json');
  });
});
