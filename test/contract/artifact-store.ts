import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ArtifactStore, ChooseAlias, StoredModel } from '../../src/registry/artifact-store.ts';

/** One place where versions are kept, which can be opened several times. */
export interface ArtifactStoreHarness {
  open(): Promise<ArtifactStore>;
  dispose(): Promise<void>;
}

/** What every artifact store must do. */
export function describeArtifactStore(name: string, createHarness: () => Promise<ArtifactStoreHarness>): void {
  describe(`artifact store: ${name}`, () => {
    let harness: ArtifactStoreHarness;
    let store: ArtifactStore;
    let temporary: string;
    let keys = 0;

    beforeEach(async () => {
      harness = await createHarness();
      store = await harness.open();
      temporary = await mkdtemp(join(tmpdir(), 'version-'));
    });

    afterEach(async () => {
      await harness.dispose();
      await rm(temporary, { recursive: true });
    });

    async function folderOf(files: Record<string, string>): Promise<string> {
      const folder = await mkdtemp(join(temporary, 'files-'));
      for (const [file, content] of Object.entries(files)) await writeFile(join(folder, file), content);
      return folder;
    }

    async function put(model: string, content = 'weights', key = `key-${keys++}`): Promise<number> {
      return store.putVersion(model, await folderOf({ 'weights.safetensors': content }), key);
    }

    async function contentOf(model: string, version: number, file = 'weights.safetensors'): Promise<string> {
      return readFile(await store.localFile(model, version, file), 'utf8');
    }

    describe('putting', () => {
      test('numbers the versions from 1, and keeps the files of each with their digests', async () => {
        const folder = await folderOf({ 'manifest.json': '{}', 'weights.safetensors': 'abc' });
        expect(await store.putVersion('flowers', folder, 'job-1')).toBe(1);
        expect(await put('flowers', 'second')).toBe(2);

        expect(await contentOf('flowers', 1)).toBe('abc');
        expect(await contentOf('flowers', 2)).toBe('second');
        const version = await store.getVersion('flowers', 1);
        expect(version).toMatchObject({ name: 'flowers', version: 1, key: 'job-1' });
        expect(Date.parse(version.createdAt)).toBeGreaterThan(0);
        expect(version.files).toEqual([
          { file: 'manifest.json', sizeBytes: 2, sha256: expect.stringMatching(/^44136fa3/) },
          { file: 'weights.safetensors', sizeBytes: 3, sha256: expect.stringMatching(/^ba7816bf/) },
        ]);
      });

      test('copies the folder: it stays as it was, and later changes to it have no effect', async () => {
        const folder = await folderOf({ 'weights.safetensors': 'abc' });
        await store.putVersion('flowers', folder, 'job-1');
        expect(await readFile(join(folder, 'weights.safetensors'), 'utf8')).toBe('abc');
        await writeFile(join(folder, 'weights.safetensors'), 'changed');
        expect(await contentOf('flowers', 1)).toBe('abc');
      });

      test('gives concurrent calls different numbers', async () => {
        const versions = await Promise.all(Array.from({ length: 8 }, (_, i) => put('flowers', `content ${i}`)));
        expect([...versions].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
        for (const [i, version] of versions.entries()) expect(await contentOf('flowers', version)).toBe(`content ${i}`);
      });

      test('returns the same version for the same key, also to concurrent calls', async () => {
        const versions = await Promise.all([
          put('flowers', 'a', 'job-1'),
          put('flowers', 'a', 'job-1'),
          put('flowers', 'b', 'job-2'),
        ]);
        expect(versions[0]).toBe(versions[1]);
        expect(versions[2]).not.toBe(versions[0]);
        expect(await put('flowers', 'a', 'job-1')).toBe(versions[0]);
        expect((await store.get('flowers')).versions).toHaveLength(2);
      });

      test.each([
        '',
        '.',
        '..',
        '../etc',
        'a/b',
        'a\\b',
        'a\0',
        'A',
        'resnet18.mine',
        '-a',
        '.staging',
        'ä',
        'a'.repeat(65),
      ])('a name like %j is refused', async (bad) => {
        await expect(put(bad)).rejects.toMatchObject({ code: 'invalid_request', status: 400 });
        expect(await store.list()).toEqual([]);
      });

      test('accepts only plain files', async () => {
        const withFolder = await folderOf({ a: 'a' });
        await mkdir(join(withFolder, 'inner'));
        const withLink = await folderOf({ a: 'a' });
        await symlink('/etc/hostname', join(withLink, 'link'));
        for (const folder of [withFolder, withLink, await folderOf({})]) {
          await expect(store.putVersion('flowers', folder, 'key')).rejects.toThrow();
        }
        expect(await store.list()).toEqual([]);
        expect(await put('flowers')).toBe(1);
      });
    });

    describe('reserving', () => {
      test('creates no version; a put with the same key gets the number', async () => {
        expect(await store.reserveVersion('flowers', 'job-1')).toBe(1);
        expect(await store.list()).toEqual([]);
        await expect(store.get('flowers')).rejects.toMatchObject({ code: 'model_not_found' });
        expect(await put('flowers', 'other', 'job-2')).toBe(2);
        expect(await put('flowers', 'mine', 'job-1')).toBe(1);
        expect(await contentOf('flowers', 1)).toBe('mine');
        expect((await store.get('flowers')).versions).toEqual([1, 2]);
      });

      test('returns the same number for the same key, before and after the put', async () => {
        const numbers = await Promise.all([1, 2, 3].map(() => store.reserveVersion('flowers', 'job-1')));
        expect(numbers).toEqual([1, 1, 1]);
        expect(await put('flowers', 'a', 'job-1')).toBe(1);
        expect(await store.reserveVersion('flowers', 'job-1')).toBe(1);
      });

      test('is remembered when the store is opened again', async () => {
        expect(await store.reserveVersion('flowers', 'job-1')).toBe(1);
        const other = await harness.open();
        expect(await other.reserveVersion('flowers', 'job-2')).toBe(2);
        expect(await other.reserveVersion('flowers', 'job-1')).toBe(1);
      });

      test('never gives a number again that no version got', async () => {
        await store.reserveVersion('flowers', 'failed');
        expect(await put('flowers')).toBe(2);
      });

      test('never gives the number of a removed version again, not even to its key', async () => {
        expect(await put('flowers', 'a', 'job-1')).toBe(1);
        await store.removeVersion('flowers', 1);
        expect(await store.reserveVersion('flowers', 'job-1')).toBe(2);
        expect(await put('flowers', 'a', 'job-1')).toBe(2);
      });

      test('needs a valid name', async () => {
        await expect(store.reserveVersion('../etc', 'job-1')).rejects.toMatchObject({ code: 'invalid_request' });
      });
    });

    describe('reading', () => {
      test('lists models by name with their versions and aliases', async () => {
        await put('flowers');
        await put('flowers');
        await put('birds');
        await store.setAlias('flowers', 'production', 2);
        expect(await store.list()).toEqual([
          { name: 'birds', versions: [1], aliases: {}, damagedAliases: {} },
          { name: 'flowers', versions: [1, 2], aliases: { production: 2 }, damagedAliases: {} },
        ]);
        expect(await store.get('birds')).toEqual({ name: 'birds', versions: [1], aliases: {}, damagedAliases: {} });
      });

      test('answers 404 with the known names when there is no such model or version', async () => {
        await put('flowers');
        for (const absent of ['trees', '../flowers', 'constructor', '']) {
          await expect(store.get(absent)).rejects.toMatchObject({ code: 'model_not_found', status: 404 });
          await expect(store.localFile(absent, 1, 'x')).rejects.toMatchObject({ code: 'model_not_found' });
        }
        for (const absent of [0, 2, -1, 1.5, Number.NaN]) {
          await expect(store.getVersion('flowers', absent)).rejects.toMatchObject({
            code: 'version_not_found',
            message: expect.stringContaining('it has 1'),
          });
        }
        await expect(store.localFile('flowers', 1, '../1/weights.safetensors')).rejects.toThrow(/never had a file/);
      });

      test('checks a file without handing it out', async () => {
        await put('flowers');
        await store.expectFile('flowers', 1, 'weights.safetensors');
        await expect(store.expectFile('flowers', 1, 'labels.json')).rejects.toThrow(/never had a file labels\.json/);
        await expect(store.expectFile('flowers', 2, 'weights.safetensors')).rejects.toMatchObject({
          code: 'version_not_found',
        });
      });

      test('gives the same when the store is opened again', async () => {
        await put('flowers', 'abc');
        await store.setAlias('flowers', 'production', 1);
        const other = await harness.open();
        expect(await other.list()).toEqual(await store.list());
        expect(await readFile(await other.localFile('flowers', 1, 'weights.safetensors'), 'utf8')).toBe('abc');
      });
    });

    describe('aliases', () => {
      beforeEach(async () => {
        await put('flowers');
        await put('flowers');
      });

      test('can be moved to another version and back', async () => {
        await store.setAlias('flowers', 'production', 2);
        expect((await store.get('flowers')).aliases).toEqual({ production: 2 });
        await store.setAlias('flowers', 'production', 1);
        await store.setAlias('flowers', 'constructor', 2);
        expect((await store.get('flowers')).aliases).toEqual({ constructor: 2, production: 1 });
      });

      test('can point only to versions that exist', async () => {
        await expect(store.setAlias('flowers', 'production', 3)).rejects.toMatchObject({ code: 'version_not_found' });
        await expect(store.setAlias('trees', 'production', 1)).rejects.toMatchObject({ code: 'model_not_found' });
        expect((await store.get('flowers')).aliases).toEqual({});
      });

      test.each(['', '3', '../x', 'a.b', 'A'])('cannot be called %j', async (alias) => {
        await expect(store.setAlias('flowers', alias, 1)).rejects.toMatchObject({ code: 'invalid_request' });
      });

      test('can be removed, also when they do not exist', async () => {
        await store.setAlias('flowers', 'production', 1);
        for (const alias of ['production', 'production', 'toString', '../1/weights.safetensors']) {
          await store.removeAlias('flowers', alias);
        }
        expect((await store.get('flowers')).aliases).toEqual({});
        expect(await contentOf('flowers', 1)).toBe('weights');
      });
    });

    describe('putting with an alias', () => {
      const putWith = async (chooseAlias: ChooseAlias, key: string) =>
        store.putVersion('flowers', await folderOf({ 'weights.safetensors': 'weights' }), key, chooseAlias);

      test('points it to the version, if the model as it was before is a reason to', async () => {
        const seen: StoredModel[] = [];
        const choose = (alias: string | undefined) => (before: StoredModel) => {
          seen.push(before);
          return alias;
        };
        expect(await putWith(choose('production'), 'job-1')).toBe(1);
        expect(await putWith(choose(undefined), 'job-2')).toBe(2);
        expect((await store.get('flowers')).aliases).toEqual({ production: 1 });
        expect(await putWith(choose('production'), 'job-3')).toBe(3);
        expect((await store.get('flowers')).aliases).toEqual({ production: 3 });
        expect(seen).toEqual([
          { name: 'flowers', versions: [], aliases: {}, damagedAliases: {} },
          { name: 'flowers', versions: [1], aliases: { production: 1 }, damagedAliases: {} },
          { name: 'flowers', versions: [1, 2], aliases: { production: 1 }, damagedAliases: {} },
        ]);
      });

      test('moves it once: put again with the key, it stays where somebody has pointed it since', async () => {
        await put('flowers');
        const putAgain = () => putWith(() => 'production', 'job-2');
        expect(await putAgain()).toBe(2);
        expect(await putAgain()).toBe(2);
        expect((await store.get('flowers')).aliases).toEqual({ production: 2 });
        await store.setAlias('flowers', 'production', 1);
        expect(await putAgain()).toBe(2);
        expect((await store.get('flowers')).aliases).toEqual({ production: 1 });
        await store.removeAlias('flowers', 'production');
        expect(await putAgain()).toBe(2);
        expect((await store.get('flowers')).aliases).toEqual({});
      });

      test('makes no version when the alias is not valid', async () => {
        await expect(putWith(() => '3', 'job-1')).rejects.toMatchObject({ code: 'invalid_request' });
        expect(await store.list()).toEqual([]);
      });
    });

    describe('removing', () => {
      test('keeps the other versions, and never uses the number again', async () => {
        for (const _ of [1, 2, 3]) await put('flowers');
        await store.removeVersion('flowers', 1);
        await store.removeVersion('flowers', 3);
        expect((await store.get('flowers')).versions).toEqual([2]);
        await expect(store.localFile('flowers', 3, 'weights.safetensors')).rejects.toMatchObject({
          code: 'version_not_found',
        });
        expect(await put('flowers')).toBe(4);
      });

      test('the last version removes the model, but its numbers are not used again', async () => {
        await put('flowers');
        await store.removeVersion('flowers', 1);
        expect(await store.list()).toEqual([]);
        await expect(store.get('flowers')).rejects.toMatchObject({ code: 'model_not_found' });
        expect(await put('flowers')).toBe(2);
      });

      test('is a conflict for a version that an alias points to', async () => {
        await put('flowers');
        await store.setAlias('flowers', 'production', 1);
        await expect(store.removeVersion('flowers', 1)).rejects.toMatchObject({
          code: 'version_in_use',
          status: 409,
          message: expect.stringContaining('production'),
        });
        expect(await contentOf('flowers', 1)).toBe('weights');
        await store.removeAlias('flowers', 'production');
        await store.removeVersion('flowers', 1);
      });

      test('never leaves an alias without a version when both happen at the same time', async () => {
        await put('flowers');
        await put('flowers');
        await Promise.allSettled([store.removeVersion('flowers', 1), store.setAlias('flowers', 'production', 1)]);
        const { versions, aliases } = await store.get('flowers');
        for (const version of Object.values(aliases)) expect(versions).toContain(version);
      });

      test('answers 404 when there is no such version', async () => {
        await expect(store.removeVersion('flowers', 1)).rejects.toMatchObject({ code: 'model_not_found' });
        await put('flowers');
        await expect(store.removeVersion('flowers', 2)).rejects.toMatchObject({ code: 'version_not_found' });
      });
    });
  });
}
