import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AppError } from '../../src/common/errors.ts';
import { createLogger } from '../../src/common/logger.ts';
import { ModelQuantizer } from '../../src/quantizing/model-quantizer.ts';
import { QuantizedModels } from '../../src/quantizing/quantized-models.ts';
import { parseLabels } from '../../src/registry/labels.ts';
import { type ModelVersion, Registry } from '../../src/registry/registry.ts';
import { Repository } from '../../src/registry/repository.ts';
import { parseManifest } from '../../src/registry/resolve-manifest.ts';
import { MemoryArtifactStore } from '../registry/memory-artifact-store.ts';
import { CONVERTED } from '../serving/converted-model.ts';
import { quantizationOf } from './a-quantization.ts';

const MODEL = 'resnet18_slim.tiny200';

const record = quantizationOf('model');

const { quantization } = vi.hoisted(() => ({ quantization: vi.fn() }));
vi.mock('../../src/quantizing/quantization-process.ts', () => ({ runQuantization: quantization }));
// Pauses before another attempt.
vi.mock('node:timers/promises', () => ({ setTimeout: async () => {} }));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'model-quantizer-'));
  quantization.mockReset();
  quantization.mockImplementation(async (task: { readonly folder: string }) => {
    await writeFile(join(task.folder, 'model.onnx'), 'model');
    return record;
  });
});
afterEach(() => rm(folder, { recursive: true }));

const control = { onProgress: () => {}, signal: new AbortController().signal };

test('a bucket that is away is waited for, before the quantization and after it', async () => {
  const away = new AppError('storage_unavailable', 'the bucket cannot be used');
  const file = new AppError('model_unavailable', 'the weights cannot be fetched', { cause: away });
  const files = vi.fn<ModelVersion['files']>().mockResolvedValue({ weightsPath: 'weights' });
  const put = vi.fn(async () => {});
  files.mockRejectedValueOnce(file);
  put.mockRejectedValueOnce(away);
  const quantizer = quantizerOf(files, put);
  expect((await quantizer.quantize(MODEL, 'images.zip', 'mse', control)).record).toEqual(record);
  expect(quantization).toHaveBeenCalledTimes(1);
  expect(put).toHaveBeenCalledTimes(2);
});

test('a version that another machine has just published is found', async () => {
  const store = new MemoryArtifactStore();
  const files = await mkdtemp(join(folder, 'version-'));
  const manifest = JSON.parse(readFileSync(`zoo/${MODEL}/manifest.json`, 'utf8'));
  await writeFile(join(files, 'manifest.json'), JSON.stringify({ ...manifest, name: 'plants' }));
  await writeFile(join(files, manifest.weights.file), 'weights');
  await store.putVersion('plants', files, 'job-1');
  const quantizer = quantizerOf(async () => ({ weightsPath: 'weights' }), undefined, store);
  const { model } = await quantizer.quantize('plants@1', 'images.zip', 'mse', control);
  expect(model).toMatchObject({ name: 'plants', version: 1 });
  await store.dispose();
});

test('a model that is removed meanwhile is the reason why its quantization fails', async () => {
  const weightsPath = join(folder, 'weights.safetensors');
  await writeFile(weightsPath, 'weights');
  quantization.mockImplementation(async () => {
    await rm(weightsPath);
    throw new AppError('internal', 'ENOENT: no such file or directory');
  });
  await expect(
    quantizerOf(async () => ({ weightsPath })).quantize(MODEL, 'images.zip', 'mse', control),
  ).rejects.toMatchObject({
    code: 'model_not_found',
    message: expect.stringContaining(`the model "${MODEL}" was removed while it was needed`),
  });
});

/** A quantizer that knows one model of the zoo. */
function quantizerOf(
  files: ModelVersion['files'],
  put = async () => {},
  store = new MemoryArtifactStore(),
): ModelQuantizer {
  const model: ModelVersion = {
    name: MODEL,
    version: 1,
    manifest: parseManifest(readFileSync(`zoo/${MODEL}/manifest.json`, 'utf8'), () =>
      parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8')),
    ),
    files,
  };
  const registry = new Registry();
  registry.set({ name: MODEL, origin: 'zoo', versions: [model], aliases: {}, damaged: {} });
  return new ModelQuantizer({
    registry,
    repository: new Repository('zoo', store),
    store,
    conversions: { verified: async () => CONVERTED },
    quantized: new QuantizedModels(folder),
    shared: { put },
    release: async () => {},
    maxImagePixels: 1e6,
    logger: createLogger('silent'),
  });
}
