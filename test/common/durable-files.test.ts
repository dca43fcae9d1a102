import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { errnoOf, readIfThere, writeFileDurably } from '../../src/common/durable-files.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'durable-'));
});

afterEach(() => rm(folder, { recursive: true }));

test('a file is replaced whole: whoever reads meanwhile sees the old or the new content', async () => {
  const path = join(folder, 'file');
  const contents = ['a', 'b', 'c'].map((letter) => letter.repeat(100_000));
  await writeFileDurably(path, String(contents[0]));
  let writing = true;
  const written = (async () => {
    for (const content of contents) await writeFileDurably(path, content);
    writing = false;
  })();
  while (writing) expect(contents).toContain(await readFile(path, 'utf8'));
  await written;
  expect(await readdir(folder)).toEqual(['file']);
});

test('where that fails, nothing unfinished is left', async () => {
  await mkdir(join(folder, 'taken', 'inner'), { recursive: true });
  const reason = await writeFileDurably(join(folder, 'taken'), 'x').catch(errnoOf);
  expect(['EISDIR', 'ENOTEMPTY']).toContain(reason);
  expect(await readdir(folder)).toEqual(['taken']);
});

test('only a file that is not there is read as nothing', async () => {
  await writeFileDurably(join(folder, 'file'), 'x');
  expect(await readIfThere(join(folder, 'file'))).toBe('x');
  expect(await readIfThere(join(folder, 'other'))).toBeUndefined();
  await expect(readIfThere(folder)).rejects.toThrow('EISDIR');
});
