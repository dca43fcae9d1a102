import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { menagerie } from './run.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'menagerie-zoo-import-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

const zooImport = (...args: string[]) =>
  menagerie(['import', 'zoo/vgg11_bn_slim.tiny200/weights.safetensors', ...args], { DATA_DIR: dataDir });

test('shows what it would import, and imports it only with --yes', async () => {
  const asked = await zooImport('--name', 'mine', '--labels', 'tiny200', '--std', '0.25');
  expect(asked.code).toBe(2);
  expect(asked.stderr).toContain('add --yes');
  expect(asked.stdout).toMatch(/architecture +vgg11_bn_slim\n/);
  expect(asked.stdout).toMatch(/mean +0.485, 0.456, 0.406 +\(guessed\)/);
  expect(asked.stdout).toMatch(/std +0.25, 0.25, 0.25\n/);
  expect(await readdir(join(dataDir, 'zoo'), { recursive: true })).toEqual(['.staging']);

  const taken = await zooImport('--name', 'mine', '--labels', 'tiny200', '--yes');
  expect(taken).toMatchObject({ code: 0, stdout: expect.stringContaining('mine: imported') });
  expect(await readdir(join(dataDir, 'zoo/mine'))).toEqual(['manifest.json', 'model.safetensors']);
});

test.each([
  [[], '--name is missing'],
  [['--name', 'mine', 'second.pth'], 'one file or folder'],
  [['--name', 'mine', '--mean', '1,2'], '--mean: "1,2" is not 1 or 3 number(s)'],
  [['--name', 'mine', '--input-size', 'big'], '--input-size: "big"'],
])('prints its usage when the arguments are wrong: %s', async (args, reason) => {
  const { code, stderr } = await zooImport(...args);
  expect(code).toBe(2);
  expect(stderr).toContain(reason);
  expect(stderr).toContain('usage: menagerie import');
});
