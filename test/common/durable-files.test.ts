import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { errnoOf, makeFolder, readIfThere, writeFileDurably } from '../../src/common/durable-files.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'durable-'));
});

afterEach(() => rm(folder, { recursive: true }));

test('a file is replaced at once: a reader sees either the old or the new content', async () => {
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

test('a failed write leaves no unfinished file', async () => {
  await mkdir(join(folder, 'taken', 'inner'), { recursive: true });
  const reason = await writeFileDurably(join(folder, 'taken'), 'x').catch(errnoOf);
  expect(['EISDIR', 'ENOTEMPTY']).toContain(reason);
  expect(await readdir(folder)).toEqual(['taken']);
});

test('only a file that does not exist is read as undefined', async () => {
  await writeFileDurably(join(folder, 'file'), 'x');
  expect(await readIfThere(join(folder, 'file'))).toBe('x');
  expect(await readIfThere(join(folder, 'other'))).toBeUndefined();
  await expect(readIfThere(folder)).rejects.toThrow('EISDIR');
});

test('the error of a full disk names the file', async () => {
  const error = await writeFileDurably('/dev/full/x', 'x').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ path: '/dev/full/x' });
});

test('a folder is made with its parents, and may exist already', async () => {
  for (let i = 0; i < 2; i++) await makeFolder(join(folder, 'a', 'b', 'c'));
  expect(await readdir(join(folder, 'a', 'b'))).toEqual(['c']);
});

test('the error for a folder that cannot be made has the reason of the system', async () => {
  await writeFileDurably(join(folder, 'file'), 'x');
  expect(await makeFolder(join(folder, 'file')).catch(errnoOf)).toBe('EEXIST');
  expect(await makeFolder(join(folder, 'file', 'a')).catch(errnoOf)).toBe('ENOTDIR');
});
