import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { importOnce } from '../../../src/acquire/import/import-once.ts';
import { STAGING_DIR } from '../../../src/common/staging-folder.ts';
import { FileArtifactStore } from '../../../src/registry/file-artifact-store.ts';
import { Repository } from '../../../src/registry/repository.ts';
import { readNamedLabels } from '../../../src/registry/zoo.ts';

const namedLabels = await readNamedLabels('zoo');
const weightsOf = (model: string) => `zoo/${model}/weights.safetensors`;

let folder: string;
let pulledDir: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-import-once-'));
  pulledDir = join(folder, 'zoo');
});
afterEach(() => rm(folder, { recursive: true }));

async function start(path: string): ReturnType<typeof importOnce> {
  const store = await FileArtifactStore.open(join(folder, 'models'), pino({ level: 'silent' }));
  const listing = await new Repository('zoo', store, pulledDir).list();
  const request = { path, name: 'mine', labels: 'tiny200', given: {} };
  return await importOnce(request, { pulledDir, listing, namedLabels });
}

test('the first start imports a model, further ones find it, also when its file has moved', async () => {
  const path = weightsOf('resnet18_slim.tiny200');
  expect(await start(path)).toMatchObject({ warnings: expect.any(Array) });
  const manifest = await readFile(join(pulledDir, 'mine/manifest.json'), 'utf8');
  expect(await start(path)).toBe(undefined);
  await copyFile(path, join(folder, 'moved.safetensors'));
  expect(await start(join(folder, 'moved.safetensors'))).toBe(undefined);
  expect(await readFile(join(pulledDir, 'mine/manifest.json'), 'utf8')).toBe(manifest);
  expect(await readdir(join(pulledDir, STAGING_DIR))).toEqual([]);
});

test('another model under the name is not replaced', async () => {
  await start(weightsOf('resnet18_slim.tiny200'));
  await expect(start(weightsOf('vgg11_bn_slim.tiny200'))).rejects.toThrow('a model "mine" exists already');
});
