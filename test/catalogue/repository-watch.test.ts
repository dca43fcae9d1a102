import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RepositoryWatch } from '../../src/catalogue/repository-watch.ts';
import { createLogger } from '../../src/common/logger.ts';
import { FileArtifactStore } from '../../src/registry/file-artifact-store.ts';
import { Registry } from '../../src/registry/registry.ts';
import { Repository } from '../../src/registry/repository.ts';

const SEED = 'resnet18_slim.tiny200';
const logger = createLogger('silent');
const READY = { state: 'READY', reason: '' } as const;
let dataDir: string;
let zoo: string;
let registry: Registry;
let watch: RepositoryWatch;
/** What was loaded anew, swapped in and let go, in order. */
let events: string[];
/** Versions that answer requests. */
let loaded: Set<string>;
/** What a store that is not a folder says of itself. */
let revision: () => Promise<string>;
/** The revisions as of which the models were read. */
let read: (string | undefined)[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'menagerie-watch-'));
  zoo = join(dataDir, 'zoo');
  await mkdir(zoo);
  events = [];
  loaded = new Set();
  revision = async () => '1';
  read = [];
  registry = new Registry();
  const store = await FileArtifactStore.open(join(dataDir, 'models'), logger);
  const repository = new Repository('zoo', store, zoo);
  watch = new RepositoryWatch({
    folders: [zoo, join(dataDir, 'models')],
    revision: () => revision(),
    repository: {
      list: (asOf) => {
        read.push(asOf);
        return repository.list(asOf);
      },
    },
    registry,
    serving: {
      prepare: async ({ name, manifest }) => {
        if (manifest.file.title === 'unloadable') throw new Error('the weights are damaged');
        events.push(`load ${name}: ${manifest.file.title}`);
        return () => void events.push(`swap ${name}`);
      },
      release: async ({ name, version }) => void events.push(`release ${name}@${version}`),
      state: (model) => (loaded.has(`${model.name}@${model.version}`) ? READY : { state: 'UNAVAILABLE', reason: '' }),
      use: async ({ name, version }) => {
        events.push(`use ${name}@${version}`);
        throw new Error('it cannot be loaded');
      },
    },
    logger,
  });
  await watch.scan();
});
afterEach(async () => {
  await watch.close();
  await rm(dataDir, { recursive: true });
});

/** Puts a model of the given title into the folder of pulled and imported models, as its writers do: all at once. */
async function put(name: string, title = 'one'): Promise<void> {
  const made = await mkdtemp(join(dataDir, 'made-'));
  await cp(`zoo/${SEED}`, made, { recursive: true });
  const manifest = JSON.parse(await readFile(join(made, 'manifest.json'), 'utf8'));
  await writeFile(join(made, 'manifest.json'), JSON.stringify({ ...manifest, name, title }));
  await rm(join(zoo, name), { recursive: true, force: true });
  await cp(made, join(zoo, `.${name}`), { recursive: true });
  await rename(join(zoo, `.${name}`), join(zoo, name));
}

describe('the registry follows the folder of pulled and imported models', () => {
  test('when a model appears', async () => {
    await put('mine');
    await watch.scan();
    expect(registry.resolve('mine').manifest.file.title).toBe('one');
    expect(events).toEqual([]);
  });

  test('when a model changes: the new one is loaded before it replaces the old one', async () => {
    await put('mine');
    await watch.scan();
    await put('mine', 'two');
    await watch.scan();
    expect(registry.resolve('mine').manifest.file.title).toBe('two');
    expect(events).toEqual(['load mine: two', 'swap mine']);
  });

  test('when a model disappears', async () => {
    await put('mine');
    await watch.scan();
    await rm(join(zoo, 'mine'), { recursive: true });
    await watch.scan();
    expect(registry.find('mine')).toBeUndefined();
    expect(events).toEqual(['release mine@1']);
  });

  test('but keeps serving the old model when the new one is damaged, and says why', async () => {
    await put('mine');
    await watch.scan();
    await put('mine', 'unloadable');
    await watch.scan();
    expect(registry.resolve('mine').manifest.file.title).toBe('one');
    expect(watch.problems).toContainEqual({ where: 'mine', reason: 'the weights are damaged' });
    await writeFile(join(zoo, 'mine', 'manifest.json'), '{');
    await watch.scan();
    expect(registry.resolve('mine').manifest.file.title).toBe('one');
    await put('mine', 'three');
    await watch.scan();
    expect(registry.resolve('mine').manifest.file.title).toBe('three');
    expect(watch.problems).toEqual([]);
  });
});

test('a store that is not a folder is read as of the revision that has shown a change', async () => {
  await watch.scan();
  revision = async () => '2';
  await watch.scan();
  expect(read).toEqual(['1', '2']);
});

test('a version that another process publishes and promotes is served without a request', async () => {
  const other = await FileArtifactStore.open(join(dataDir, 'models'), logger);
  await watch.start();
  await put('flowers');
  await rename(join(zoo, 'flowers'), join(dataDir, 'version'));
  const version = await other.putVersion('flowers', join(dataDir, 'version'), 'job');
  await other.setAlias('flowers', 'best', version);
  await expect.poll(() => registry.resolve('flowers@best').version).toBe(1);
});

describe('a bare name that has come to mean another version', () => {
  let other: FileArtifactStore;

  /** Publishes a version of flowers in another process. */
  async function publish(key: string): Promise<void> {
    await put('flowers', key);
    await rename(join(zoo, 'flowers'), join(dataDir, key));
    await other.putVersion('flowers', join(dataDir, key), key);
  }

  beforeEach(async () => {
    other = await FileArtifactStore.open(join(dataDir, 'models'), logger);
    await publish('first');
    await watch.scan();
  });

  test('has that version loaded ahead of requests where the one before is loaded', async () => {
    loaded.add('flowers@1');
    await publish('second');
    await watch.scan();
    await other.setAlias('flowers', 'production', 1);
    await watch.scan();
    await other.setAlias('flowers', 'tested', 2);
    await watch.scan();
    // It answers, whether or not it could be loaded ahead.
    expect(events).toEqual(['use flowers@2']);
    expect(registry.resolve('flowers').version).toBe(1);
  });

  test('has nothing loaded where nobody asks for the model', async () => {
    await publish('second');
    await watch.scan();
    expect(registry.resolve('flowers').version).toBe(2);
    expect(events).toEqual([]);
  });
});

test('a version of the store that takes a name from the zoo is another version, though its manifest is the same', async () => {
  const other = await FileArtifactStore.open(join(dataDir, 'models'), logger);
  await put('flowers');
  await watch.scan();
  const before = registry.resolve('flowers');
  await rename(join(zoo, 'flowers'), join(dataDir, 'version'));
  await other.putVersion('flowers', join(dataDir, 'version'), 'job');
  await watch.scan();
  expect(registry.resolve('flowers')).not.toBe(before);
  expect((await registry.resolve('flowers').files()).weightsPath).toContain(join('models', 'flowers', '1'));
});

describe('a store that is not a folder', () => {
  test('is read when its revision changes', async () => {
    let reads = 0;
    const list = vi.spyOn(Repository.prototype, 'list').mockImplementation(async () => {
      reads += 1;
      return { models: [], absent: [], problems: [] };
    });
    await watch.scan();
    expect(reads).toBe(0);
    revision = async () => '2';
    await watch.scan();
    await watch.scan();
    expect(reads).toBe(1);
    list.mockRestore();
  });

  test('leaves everything as it was while it does not answer', async () => {
    revision = () => Promise.reject(new Error('the bucket cannot be used'));
    await rm(zoo, { recursive: true });
    await expect(watch.scan()).rejects.toThrow('the bucket cannot be used');
    expect(registry.resolve(SEED).name).toBe(SEED);
  });

  test('and ends its answer because all is closed is no error', async () => {
    const logged = vi.spyOn(logger, 'error');
    let end = () => {};
    const asked = new Promise<void>((resolve) => {
      revision = () =>
        new Promise((_resolve, reject) => {
          end = () => reject(new Error('the bucket was closed'));
          resolve();
        });
    });
    await watch.start();
    await asked;
    const closed = watch.close();
    end();
    await closed;
    expect(logged).not.toHaveBeenCalled();
    logged.mockRestore();
  });
});

test('a model that has not changed stays the same object', async () => {
  const before = registry.resolve(SEED);
  await put('mine');
  await watch.scan();
  expect(registry.resolve(SEED)).toBe(before);
});
