import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { collectGarbage, removePulled } from '../../../src/acquire/pull/removal.ts';
import { lockFolder } from '../../../src/common/folder-lock.ts';

const [used, unused] = ['a'.repeat(64), 'b'.repeat(64)];
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'garbage-'));
});

afterEach(() => rm(folder, { recursive: true }));

async function put(path: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), '12345');
}

test('garbage collection removes what no model refers to, and nothing else', async () => {
  const kept = [
    `converted/${used}/model.onnx`,
    `features/${used}/x.bin`,
    `features/${used}-layers/x.bin`,
    'features/facts.bin',
    'features/.users/1-2_x',
    'models/flowers/1/manifest.json',
    'zoo/resnet50.tv_in1k/model.safetensors',
    'jobs/lock',
    // A conversion, a pull and an import that are running.
    'converted/b.tmp/made/model.onnx',
    'zoo/.pulling/resnet34.tv_in1k/model.safetensors.part',
    'zoo/.staging/yours.tmp/weights',
  ];
  const gone = [
    `converted/${unused}/model.onnx`,
    'converted/a.tmp/made/model.onnx',
    `features/${unused}/x.bin`,
    `features/${unused}-layers/x.bin`,
    'zoo/.pulling/resnet18.tv_in1k/model.safetensors.part',
    'zoo/.staging/mine.tmp/weights',
    'work/version-1/weights',
    'uploads/photos.zip',
  ];
  for (const path of [...kept, ...gone]) await put(path);
  const unlocks = await Promise.all(
    ['converted/b.tmp', 'zoo/.pulling/resnet34.tv_in1k', 'zoo/.staging/yours.tmp'].map((path) =>
      lockFolder(join(folder, path)),
    ),
  );
  const { removed, bytes } = await collectGarbage(folder, new Set([used]), new Set());
  expect(bytes).toBe(5 * gone.length);
  expect(removed).toContain(join('converted', unused));
  expect(kept.filter((path) => !existsSync(join(folder, path)))).toEqual([]);
  expect(gone.filter((path) => existsSync(join(folder, path)))).toEqual([]);
  expect(await collectGarbage(folder, new Set([used]), new Set())).toEqual({ removed: [], bytes: 0 });
  for (const unlock of unlocks) await unlock();
});

test('removing a model removes what its interrupted pulls left', async () => {
  await put('resnet50.tv_in1k/model.safetensors');
  await put('.pulling/resnet50.tv_in1k/model.safetensors.part');
  await put('resnet18.tv_in1k/model.safetensors');
  expect(await removePulled(folder, 'resnet50.tv_in1k')).toBe(10);
  expect(existsSync(join(folder, 'resnet50.tv_in1k'))).toBe(false);
  expect(await removePulled(folder, 'resnet50.tv_in1k')).toBeUndefined();
  expect(await removePulled(join(folder, '.pulling'), '../resnet18.tv_in1k')).toBeUndefined();
  expect(existsSync(join(folder, 'resnet18.tv_in1k', 'model.safetensors'))).toBe(true);
});

test('a model is not removed while it is being pulled', async () => {
  await put('resnet50.tv_in1k/backbone.safetensors');
  await put('.pulling/resnet50.tv_in1k/model.safetensors.part');
  const unlock = await lockFolder(join(folder, '.pulling', 'resnet50.tv_in1k'));
  await expect(removePulled(folder, 'resnet50.tv_in1k')).rejects.toThrow('is being pulled: cancel the pull first');
  expect(existsSync(join(folder, '.pulling', 'resnet50.tv_in1k', 'model.safetensors.part'))).toBe(true);
  await unlock();
  expect(await removePulled(folder, 'resnet50.tv_in1k')).toBe(10);
  expect(await readdir(join(folder, '.pulling'))).toEqual([]);
});
