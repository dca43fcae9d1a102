import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Quantization } from '../../src/quantizing/quantization-record.ts';
import { QuantizedModels } from '../../src/quantizing/quantized-models.ts';
import { parseLabels } from '../../src/registry/labels.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { parseManifest } from '../../src/registry/resolve-manifest.ts';
import { quantizationOf } from './a-quantization.ts';

const model: ModelVersion = {
  name: 'resnet18_slim.tiny200',
  version: 1,
  manifest: parseManifest(readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8'), () =>
    parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8')),
  ),
  files: async () => ({ weightsPath: '' }),
};

let folder: string;
let models: QuantizedModels;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-quantized-'));
  models = new QuantizedModels(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Writes a model that consists of the given text. */
function making(content: string) {
  return async (staging: string): Promise<Quantization> => {
    await writeFile(join(staging, 'model.onnx'), content);
    return quantizationOf(content);
  };
}

test('a model that is remade is there at every moment, and the one before is removed at the end', async () => {
  await models.put(model, making('model 0'));
  let remaking = true;
  const remade = (async () => {
    for (let index = 1; index <= 3; index += 1) await models.put(model, making(`model ${index}`));
    remaking = false;
  })();
  while (remaking) expect(await models.find(model)).toBeDefined();
  await remade;

  const { path = '' } = (await models.find(model)) ?? {};
  expect(readFileSync(path, 'utf8')).toBe('model 3');
  // The export has the name of the file.
  expect(basename(path)).toBe('model.onnx');
  expect((await readdir(dirname(dirname(path)))).length).toBe(2);
});

test('a model whose making fails leaves the one before, and one that is made again with the same bytes stays', async () => {
  await models.put(model, making('model'));
  await models.put(model, making('model'));
  const failing = models.put(model, async () => {
    throw new Error('no images');
  });
  await expect(failing).rejects.toThrow('no images');
  const { path = '' } = (await models.find(model)) ?? {};
  expect(readFileSync(path, 'utf8')).toBe('model');
});
