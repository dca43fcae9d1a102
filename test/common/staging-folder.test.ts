import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeAbandonedStaging, removeUnlessLocked, withStagingFolder } from '../../src/common/staging-folder.ts';

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'staging-'));
});
afterEach(() => rm(parent, { recursive: true }));

it('a staging folder is removed at the end; what was renamed out of it stays', async () => {
  const result = await withStagingFolder(parent, async (folder) => {
    await writeFile(join(folder, 'made'), 'whole');
    await rename(join(folder, 'made'), join(parent, 'kept'));
    return 'done';
  });
  expect(result).toBe('done');
  expect(await readdir(parent)).toEqual(['kept']);
  expect(await readFile(join(parent, 'kept'), 'utf8')).toBe('whole');
});

it('it is removed when the work fails, too', async () => {
  await expect(withStagingFolder(parent, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await readdir(parent)).toEqual([]);
});

it('its parent is made when it is not there', async () => {
  await withStagingFolder(join(parent, 'new'), async (folder) => writeFile(join(folder, 'a'), ''));
  expect(await readdir(join(parent, 'new'))).toEqual([]);
});

it('folders of processes that ended are removed, those in use and other files are not', async () => {
  await mkdir(join(parent, 'abandoned.tmp'));
  await writeFile(join(parent, 'abandoned.tmp', 'half'), '');
  await mkdir(join(parent, 'other'));
  await withStagingFolder(parent, async (folder) => {
    await writeFile(join(folder, 'half'), '');
    await removeAbandonedStaging(parent);
    expect((await readdir(parent)).length).toBe(2);
    expect(await readdir(folder)).toContain('half');
    expect(await removeUnlessLocked(folder)).toBe(false);
  });
  expect(await readdir(parent)).toEqual(['other']);
});

it('nothing is removed where there is no such folder', async () => {
  await removeAbandonedStaging(join(parent, 'none'));
  expect(await removeUnlessLocked(join(parent, 'none'))).toBe(true);
});

it('many can be made while others clear away', async () => {
  const clearing = Array.from({ length: 3 }, () => removeAbandonedStaging(parent));
  const working = Array.from({ length: 4 }, () =>
    withStagingFolder(parent, async (folder) => {
      await writeFile(join(folder, 'made'), 'x');
      await removeAbandonedStaging(parent);
      return readFile(join(folder, 'made'), 'utf8');
    }),
  );
  expect(await Promise.all(working)).toEqual(Array.from({ length: 4 }, () => 'x'));
  await Promise.all(clearing);
});
