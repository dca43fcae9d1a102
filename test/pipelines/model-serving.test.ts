import { describe, expect, test } from 'vitest';
import type { ConvertedModel } from '../../src/pipelines/conversion.ts';
import { ModelServing, type ModelServingOptions } from '../../src/pipelines/model-serving.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { readZoo } from '../../src/registry/zoo.ts';

const [zooModel] = (await readZoo('zoo')).models;
if (zooModel === undefined) throw new Error('the zoo is empty');
const { manifest, weightsPath } = zooModel;

/** A version of a model; the engine's key of its weights is `weights`. */
const versionOf = (version: number): ModelVersion => ({ name: 'flowers', version, manifest, weightsPath });

/** Serves versions whose conversions have these keys, and notes what engines are told to free. */
function servingOf(keys: Readonly<Record<number, string>>): {
  serving: ModelServing;
  options: ModelServingOptions;
  unloaded: string[];
} {
  const unloaded: string[] = [];
  const file = { path: 'model', files: ['model'], size: 1, sha256: '' };
  const options: ModelServingOptions = {
    conversions: {
      get: async ({ version }): Promise<ConvertedModel> => ({
        key: keys[version] ?? 'none',
        inputSize: [4, 4],
        numClasses: 2,
        featureSize: 2,
        activationShape: [1, 1, 2],
        onnx: file,
        tfjs: file,
        explanation: { refused: 'nobody asks' },
      }),
    },
    engines: {
      idle: true,
      concurrency: () => 1,
      acquire: () => Promise.reject(new Error('nothing is computed here')),
      unload: async (key) => void unloaded.push(key),
    },
    threads: 1,
    cores: 1,
    maxBatchSize: 1,
    maxDelayMs: 0,
    queueLimit: 1,
    onBatch: () => {},
  };
  return { serving: new ModelServing(options), options, unloaded };
}

describe('the queues of a version that was removed', () => {
  test('go, and engines free the model on each runtime', async () => {
    const { serving, unloaded } = servingOf({ 1: 'a', 2: 'b' });
    for (const version of [1, 2]) await serving.batcher(versionOf(version), 'onnx');
    await serving.batcher(versionOf(1), 'tfjs');
    await serving.release(versionOf(1));
    expect(unloaded).toEqual(['a/onnx/1', 'a/tfjs/1']);
    expect(serving.waiting()).toEqual([{ model: 'flowers', runtime: 'onnx', depth: 0 }]);
  });

  test('leave in the engines what another version of the same weights is served from', async () => {
    const { serving, unloaded } = servingOf({ 1: 'a', 2: 'a' });
    for (const version of [1, 2]) await serving.batcher(versionOf(version), 'onnx');
    await serving.release(versionOf(1));
    expect(unloaded).toEqual([]);
    await serving.release(versionOf(2));
    expect(unloaded).toEqual(['a/onnx/1']);
  });

  test('that never served cost nothing', async () => {
    const { serving, unloaded } = servingOf({});
    await serving.release(versionOf(1));
    expect(unloaded).toEqual([]);
  });
});

describe('the threads of a batch', () => {
  /** Threads that the engines are asked for, for an image that comes while they are idle or not. */
  async function threadsOf(runtime: 'onnx' | 'tfjs', idle: boolean, images: number): Promise<number[]> {
    const asked: number[] = [];
    const { options } = servingOf({ 1: 'a' });
    const serving = new ModelServing({
      ...options,
      cores: 8,
      maxBatchSize: 8,
      queueLimit: 8,
      engines: {
        ...options.engines,
        idle,
        acquire: (model) => {
          asked.push(model.threads);
          return Promise.reject(new Error('nothing is computed here'));
        },
      },
    });
    const batcher = await serving.batcher(versionOf(1), runtime);
    const [height, width] = manifest.preprocessing.inputSize;
    const submit = () =>
      batcher.submit(new Uint8Array(height * width * 3), { priority: 'interactive', outputs: ['probabilities'] });
    await Promise.allSettled(Array.from({ length: images }, submit));
    return asked;
  }

  test('are several for an image that is alone', async () => {
    expect(await threadsOf('onnx', true, 1)).toEqual([4]);
  });

  test('are those of the settings while others are computed or wait', async () => {
    expect(await threadsOf('onnx', false, 1)).toEqual([1]);
    expect(await threadsOf('onnx', true, 3)).toEqual([1]);
  });

  test('of TensorFlow.js are one, since more do not help it', async () => {
    expect(await threadsOf('tfjs', true, 1)).toEqual([1]);
  });
});
