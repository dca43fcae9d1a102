import { describe, expect, test } from 'vitest';
import type { ConvertedModel } from '../../src/pipelines/conversion.ts';
import { ModelServing } from '../../src/pipelines/model-serving.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { readZoo } from '../../src/registry/zoo.ts';

const [zooModel] = (await readZoo('zoo')).models;
if (zooModel === undefined) throw new Error('the zoo is empty');
const { manifest, weightsPath } = zooModel;

/** A version of a model; the engine's key of its weights is `weights`. */
const versionOf = (version: number): ModelVersion => ({ name: 'flowers', version, manifest, weightsPath });

/** Serves versions whose conversions have these keys, and notes what engines are told to free. */
function servingOf(keys: Readonly<Record<number, string>>): { serving: ModelServing; unloaded: string[] } {
  const unloaded: string[] = [];
  const file = { path: 'model', size: 1, sha256: '' };
  const serving = new ModelServing({
    conversions: {
      get: async ({ version }): Promise<ConvertedModel> => ({
        key: keys[version] ?? 'none',
        inputSize: [4, 4],
        numClasses: 2,
        featureSize: 2,
        activationShape: [1, 1, 2],
        onnx: file,
        tfjs: file,
      }),
    },
    engines: {
      concurrency: () => 1,
      acquire: () => Promise.reject(new Error('nothing is computed here')),
      unload: async (key) => void unloaded.push(key),
    },
    threads: 1,
    maxBatchSize: 1,
    maxDelayMs: 0,
    queueLimit: 1,
    onBatch: () => {},
  });
  return { serving, unloaded };
}

describe('the queues of a version that was removed', () => {
  test('go, and engines free the model on each runtime', async () => {
    const { serving, unloaded } = servingOf({ 1: 'a', 2: 'b' });
    for (const version of [1, 2]) await serving.batcher(versionOf(version), 'onnx');
    await serving.batcher(versionOf(1), 'tfjs');
    await serving.release(versionOf(1));
    expect(unloaded).toEqual(['a/onnx', 'a/tfjs']);
    expect(serving.waiting()).toEqual([{ model: 'flowers', runtime: 'onnx', depth: 0 }]);
  });

  test('leave in the engines what another version of the same weights is served from', async () => {
    const { serving, unloaded } = servingOf({ 1: 'a', 2: 'a' });
    for (const version of [1, 2]) await serving.batcher(versionOf(version), 'onnx');
    await serving.release(versionOf(1));
    expect(unloaded).toEqual([]);
    await serving.release(versionOf(2));
    expect(unloaded).toEqual(['a/onnx']);
  });

  test('that never served cost nothing', async () => {
    const { serving, unloaded } = servingOf({});
    await serving.release(versionOf(1));
    expect(unloaded).toEqual([]);
  });
});
