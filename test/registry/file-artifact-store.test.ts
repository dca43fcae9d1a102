import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import { withStagingFolder } from '../../src/common/staging-folder.ts';
import { FileArtifactStore } from '../../src/registry/file-artifact-store.ts';
import { describeArtifactStore } from '../contract/artifact-store.ts';

function open(folder: string): Promise<FileArtifactStore> {
  return FileArtifactStore.open(folder, createLogger('silent'));
}

describeArtifactStore('files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'models-'));
  return { open: () => open(folder), dispose: () => rm(folder, { recursive: true }) };
});

describe('files of a store', () => {
  let temporary: string;
  let folder: string;
  let store: FileArtifactStore;

  beforeEach(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'models-'));
    folder = join(temporary, 'models');
    store = await open(folder);
    const files = join(temporary, 'files');
    await mkdir(files);
    await writeFile(join(files, 'weights.safetensors'), 'weights');
    await store.putVersion('flowers', files, 'job-1');
  });

  afterEach(() => rm(temporary, { recursive: true }));

  const weights = () => join(folder, 'flowers', '1', 'weights.safetensors');

  test('are in a folder for each name and version, beside their record; no temporary file is left', async () => {
    expect((await readdir(join(folder, 'flowers', '1'))).sort()).toEqual(['version.json', 'weights.safetensors']);
    expect(await readdir(join(folder, '.staging'))).toEqual([]);
    const record = JSON.parse(await readFile(join(folder, 'flowers', '1', 'version.json'), 'utf8'));
    expect(record).toMatchObject({ schema: 1, key: 'job-1', files: [{ file: 'weights.safetensors', size_bytes: 7 }] });
  });

  test.each([
    [
      'other bytes',
      () => writeFile(weights(), 'WEIGHTS'),
      /flowers\/1\/weights\.safetensors .*SHA-256 is [0-9a-f]{64}/,
    ],
    ['more bytes', () => appendFile(weights(), '!'), /it has 8 bytes, not 7/],
    ['none at all', () => rm(weights()), /weights\.safetensors is missing$/],
  ])('with %s than were put are not handed out', async (_what, damage, message) => {
    await damage();
    const reading = store.localFile('flowers', 1, 'weights.safetensors');
    await expect(reading).rejects.toMatchObject({ code: 'model_unavailable', message: expect.stringMatching(message) });
  });

  test('that were restored from a backup, with another time, are hashed and accepted', async () => {
    await utimes(weights(), 1, 1);
    expect(await store.localFile('flowers', 1, 'weights.safetensors')).toBe(weights());
    // Found right once, this very state is trusted; the next change is not.
    expect(await store.localFile('flowers', 1, 'weights.safetensors')).toBe(weights());
    await writeFile(weights(), 'WEIGHTS');
    await expect(store.localFile('flowers', 1, 'weights.safetensors')).rejects.toThrow(/SHA-256/);
  });

  test('without a readable record make that version alone unavailable', async () => {
    await store.putVersion('flowers', join(temporary, 'files'), 'job-2');
    await writeFile(join(folder, 'flowers', '1', 'version.json'), '{"schema": 1');
    await expect(store.getVersion('flowers', 1)).rejects.toMatchObject({ code: 'model_unavailable' });
    expect((await store.getVersion('flowers', 2)).key).toBe('job-2');
    expect(await store.putVersion('flowers', join(temporary, 'files'), 'job-3')).toBe(3);
  });

  test('of aliases may hold the number alone, as earlier releases wrote them', async () => {
    await store.setAlias('flowers', 'production', 1);
    await writeFile(join(folder, 'flowers', '.aliases', 'production'), '1');
    expect(await store.get('flowers')).toMatchObject({ aliases: { production: 1 }, damagedAliases: {} });
  });

  describe('an alias whose file is damaged', () => {
    const path = () => join(folder, 'flowers', '.aliases', 'production');
    beforeEach(() => store.setAlias('flowers', 'production', 1));

    test.each(['', 'one', '1\n2', '\0\0'])('(%j) is reported with its file', async (content) => {
      await writeFile(path(), content);
      const model = await store.get('flowers');
      expect(model.aliases).toEqual({});
      expect(model.damagedAliases['production']).toContain('flowers/.aliases/production is damaged: ');
      expect(await store.list()).toEqual([model]);
    });

    test('by one bit never points to another version', async () => {
      const bytes = await readFile(path());
      for (const at of bytes.keys()) {
        const damaged = Buffer.from(bytes);
        // In the number itself, this bit makes a 3 of the 1.
        damaged[at] = (damaged[at] ?? 0) ^ 2;
        await writeFile(path(), damaged);
        const { aliases, damagedAliases } = await store.get('flowers');
        expect(aliases['production'] ?? 1).toBe(1);
        expect(Object.keys({ ...aliases, ...damagedAliases })).toEqual(['production']);
      }
    });

    test('is repaired by setting it again', async () => {
      await writeFile(path(), '');
      await store.setAlias('flowers', 'production', 1);
      expect(await store.get('flowers')).toMatchObject({ aliases: { production: 1 }, damagedAliases: {} });
    });

    test('can be removed, and until then no version, since it may point to any', async () => {
      await writeFile(path(), '');
      await expect(store.removeVersion('flowers', 1)).rejects.toMatchObject({
        code: 'version_in_use',
        message: expect.stringContaining('flowers@production is damaged'),
      });
      await store.removeAlias('flowers', 'production');
      await store.removeVersion('flowers', 1);
    });
  });

  describe('an alias that was chosen for a version, and could not be written', () => {
    const putAgain = () => store.putVersion('flowers', join(temporary, 'files'), 'job-2', () => 'production');
    const aliases = async () => (await store.get('flowers')).aliases;

    beforeEach(async () => {
      // A file in the place of the folder of aliases.
      const obstacle = join(folder, 'flowers', '.aliases');
      await writeFile(obstacle, '');
      expect(await putAgain()).toBe(2);
      await rm(obstacle);
      expect(await aliases()).toEqual({});
    });

    test('is written when the job runs again', async () => {
      store = await open(folder);
      expect(await putAgain()).toBe(2);
      expect(await aliases()).toEqual({ production: 2 });
    });

    test('is not written any more when somebody has set or removed it since', async () => {
      await store.setAlias('flowers', 'production', 1);
      await putAgain();
      expect(await aliases()).toEqual({ production: 1 });
    });

    test('is not kept from being written by other aliases', async () => {
      await store.setAlias('flowers', 'canary', 1);
      await putAgain();
      expect(await aliases()).toEqual({ canary: 1, production: 2 });
    });
  });

  test('unfinished files of ended processes are removed, those of running processes are not', async () => {
    const staging = join(folder, '.staging');
    await mkdir(join(staging, 'of-a-dead-process.tmp', 'version'), { recursive: true });
    await withStagingFolder(staging, async (living) => {
      await open(folder);
      expect(await readdir(staging)).toEqual([basename(living)]);
    });
  });

  test('two stores on one folder never give the same number', async () => {
    const stores = [store, await open(folder), await open(folder)];
    const files = join(temporary, 'files');
    const versions = await Promise.all(
      Array.from({ length: 9 }, (_, i) => stores[i % 3]?.putVersion('birds', files, `key-${i}`)),
    );
    expect(new Set(versions).size).toBe(9);
    expect((await store.get('birds')).versions).toHaveLength(9);
  });
});
