import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/common/errors.ts';
import { DamagedFileError } from '../../src/common/file-digest.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { readZoo } from '../../src/registry/zoo.ts';
import type { ConvertedModel } from '../../src/serving/conversion-cache.ts';
import type { EngineModel, EngineVersion } from '../../src/serving/engine-messages.ts';
import type { EngineLease } from '../../src/serving/engine-slot.ts';
import { ModelServing, type ModelServingOptions } from '../../src/serving/model-serving.ts';
import { deferred } from '../http/fixture.ts';

const [zooModel] = (await readZoo('zoo')).models;
if (zooModel === undefined) throw new Error('the zoo is empty');
const { manifest, files } = zooModel;
const [height, width] = manifest.preprocessing.inputSize;

/** Bytes of each model's weights. */
const SIZE = 100;

const versionOf = (version: number, name = 'flowers'): ModelVersion => ({ name, version, manifest, files });

/** An engine whose outputs are zeros. */
const lease: EngineLease = {
  threads: 1,
  cpuMs: 0,
  run: async ({ shape: [n = 0] }, outputs) =>
    Object.fromEntries(outputs.map((name) => [name, { data: new Float32Array(n * 2), shape: [n, 2] }])),
  release: () => {},
};

interface Stage {
  readonly serving: ModelServing;
  readonly options: ModelServingOptions;
  /** The models that engines were acquired for, and the keys of those that were unloaded. */
  readonly asked: EngineModel[];
  readonly unloaded: string[];
  readonly evicted: string[];
}

/** Serves versions whose conversions have the keys that `keyOf` gives them, on engines that record their calls. */
function stage(
  overrides: Partial<ModelServingOptions> = {},
  keyOf = ({ name, version }: ModelVersion) => `${name}-${version}`,
): Stage {
  const asked: EngineModel[] = [];
  const unloaded: string[] = [];
  const evicted: string[] = [];
  const file = { path: 'model', files: [], size: SIZE, sha256: '' };
  const convert = async (model: ModelVersion): Promise<ConvertedModel> => ({
    key: keyOf(model),
    inputSize: [height, width],
    numClasses: 2,
    featureSize: 2,
    activationShape: [1, 1, 2],
    onnx: file,
    tfjs: file,
    explanation: { refused: 'not needed' },
  });
  const options: ModelServingOptions = {
    conversions: { get: convert, verified: convert },
    engines: {
      idle: true,
      obstacle: undefined,
      concurrency: () => 1,
      acquire: async (model) => {
        asked.push(model);
        return lease;
      },
      unload: async (keys) => void unloaded.push(...keys),
    },
    threads: 1,
    cores: 1,
    maxBatchSize: 8,
    maxDelayMs: 0,
    queueLimit: 8,
    memoryBytes: 1_000,
    isPinned: () => false,
    onBatch: () => {},
    onEviction: ({ name, version }) => void evicted.push(`${name}@${version}`),
    ...overrides,
  };
  return { serving: new ModelServing(options), options, asked, unloaded, evicted };
}

const idle = async (): Promise<void> => undefined;
const loaded = ({ serving }: Stage): string[] => serving.loaded().map(({ model, version }) => `${model}@${version}`);

test('a model that takes one image at a time gets batches of one', async () => {
  const { options } = stage();
  const batches: number[] = [];
  const { serving } = stage({
    conversions: {
      ...options.conversions,
      get: async (model) => ({ ...(await options.conversions.get(model)), maxBatch: 1 }),
    },
    onBatch: (_model, _runtime, images) => void batches.push(images),
  });
  await serving.use(versionOf(1), 'onnx', async (queue) => {
    const submit = () =>
      queue.submit(new Uint8Array(height * width * 3), { priority: 'interactive', outputs: ['logits'] });
    await Promise.all([submit(), submit(), submit()]);
  });
  expect(new Set(batches)).toEqual(new Set([1]));
});

test('engines that have models of their own are asked for one by its name, and say how large a batch may be', async () => {
  const { options, asked } = stage();
  const prepared: EngineVersion[] = [];
  const batches: number[] = [];
  const { serving } = stage({
    engines: {
      ...options.engines,
      prepare: async (version) => {
        prepared.push(version);
        return { maxBatch: 2, release: () => {} };
      },
    },
    onBatch: (_model, _runtime, images) => void batches.push(images),
  });
  await serving.use(versionOf(3), 'onnx', async (queue) => {
    const submit = () =>
      queue.submit(new Uint8Array(height * width * 3), { priority: 'interactive', outputs: ['logits'] });
    await Promise.all(Array.from({ length: 8 }, submit));
  });
  await serving.use(versionOf(3), 'tfjs', idle);
  const weightsSha256 = manifest.file.weights.sha256;
  expect(prepared).toEqual([{ name: 'flowers', version: 3, weightsSha256 }]);
  expect(Math.max(...batches)).toBe(2);
  expect(asked[0]?.version).toEqual({ name: 'flowers', version: 3, weightsSha256 });
});

test('a model that the engines do not have is unavailable, with their words', async () => {
  const { options } = stage();
  const prepare = () => Promise.reject(new AppError('model_unavailable', 'put it there'));
  const { serving } = stage({ engines: { ...options.engines, prepare } });
  await expect(serving.use(versionOf(1), 'onnx', idle)).rejects.toMatchObject({ message: 'put it there' });
  expect(serving.state(versionOf(1))).toEqual({ state: 'UNAVAILABLE', reason: 'put it there' });
});

test.each<[string, Partial<ModelServingOptions>, (on: Stage) => Promise<void>]>([
  [
    'a version that is unloaded',
    {},
    async ({ serving }) => {
      await serving.load(versionOf(1));
      await serving.release(versionOf(1));
    },
  ],
  [
    'one that is unloaded while another has its weights',
    {},
    async ({ serving }) => {
      await serving.load(versionOf(1));
      await serving.load(versionOf(2));
      await serving.release(versionOf(1));
    },
  ],
  [
    'one that cannot be warmed up',
    {},
    async ({ serving, options }) => {
      options.engines.acquire = () => Promise.reject(new AppError('engine_lost', 'gone'));
      await expect(serving.load(versionOf(1))).rejects.toThrow('gone');
    },
  ],
  [
    'one that does not fit',
    { memoryBytes: SIZE - 1 },
    async ({ serving }) => {
      await expect(serving.load(versionOf(1))).rejects.toThrow('MODEL_MEMORY_BYTES');
    },
  ],
])('engines that have models of their own are told of %s', async (_what, given, act) => {
  const released: number[] = [];
  const { options } = stage();
  const prepare = async ({ version }: EngineVersion) => ({ maxBatch: 2, release: () => void released.push(version) });
  const on = stage({ ...given, engines: { ...options.engines, prepare } }, () => 'the same weights');
  await act(on);
  expect(released).toEqual([1]);
});

test('a format that a model does not have is refused', async () => {
  const { options } = stage();
  const { serving } = stage({
    conversions: {
      ...options.conversions,
      get: async (model) => {
        const { tfjs: _, ...rest } = await options.conversions.get(model);
        return rest;
      },
    },
  });
  await expect(serving.use(versionOf(1), 'tfjs', async () => undefined)).rejects.toMatchObject({
    code: 'format_unavailable',
  });
});

describe('the first use of a model', () => {
  test('loads it; concurrent uses share the load', async () => {
    const converting = deferred<void>();
    let conversions = 0;
    const { options } = stage();
    const on = stage({
      conversions: {
        ...options.conversions,
        get: async (model) => {
          conversions += 1;
          await converting.promise;
          return options.conversions.get(model);
        },
      },
    });
    const uses = [1, 2, 3].map(() => on.serving.use(versionOf(1), 'onnx', idle));
    expect(on.serving.state(versionOf(1))).toEqual({ state: 'LOADING', reason: '' });
    converting.resolve();
    await Promise.all(uses);
    expect(conversions).toBe(1);
    expect(on.serving.state(versionOf(1))).toEqual({ state: 'READY', reason: '' });
    expect(on.serving.loaded()).toEqual([{ model: 'flowers', version: 1, runtime: 'onnx', bytes: SIZE }]);
  });

  test('begins when the model has been warmed up', async () => {
    const on = stage();
    let before = 0;
    await on.serving.use(versionOf(1), 'onnx', async () => {
      before = on.asked.length;
    });
    expect(before).toBeGreaterThanOrEqual(2);
  });

  test('that fails is the reason in the state until one succeeds, and takes no memory', async () => {
    let broken = true;
    const { options } = stage();
    const on = stage({
      engines: {
        ...options.engines,
        acquire: async (model, priority) => {
          if (broken) throw new Error('no such file');
          return options.engines.acquire(model, priority);
        },
      },
    });
    await expect(on.serving.load(versionOf(1))).rejects.toThrow('no such file');
    expect(on.serving.state(versionOf(1))).toEqual({ state: 'UNAVAILABLE', reason: 'no such file' });
    expect(loaded(on)).toEqual([]);
    broken = false;
    await on.serving.load(versionOf(1));
    expect(on.serving.state(versionOf(1)).state).toBe('READY');
  });
});

describe('a damaged conversion that is repaired in another folder', () => {
  const damage = () =>
    new AppError('model_unavailable', 'damaged', { cause: new DamagedFileError('model.onnx is damaged') });

  /** Engines that find the first folder damaged, and a cache that repairs into a second one. */
  function damagedStage(isDamaged: () => boolean): Stage {
    const { options } = stage();
    let repaired = false;
    const get = async (model: ModelVersion): Promise<ConvertedModel> => {
      const converted = await options.conversions.get(model);
      return repaired ? { ...converted, onnx: { ...converted.onnx, path: 'repaired' } } : converted;
    };
    const verified = (model: ModelVersion): Promise<ConvertedModel> => {
      repaired = true;
      return get(model);
    };
    const acquire: ModelServingOptions['engines']['acquire'] = async (model) => ({
      ...lease,
      run: (...batch) => (isDamaged() && model.path !== 'repaired' ? Promise.reject(damage()) : lease.run(...batch)),
    });
    return stage({ conversions: { get, verified }, engines: { ...options.engines, acquire } });
  }

  test('is loaded from there', async () => {
    const on = damagedStage(() => true);
    await on.serving.use(versionOf(1), 'onnx', idle);
    expect(loaded(on)).toEqual(['flowers@1']);
  });

  test('is loaded from there by the next request when it was damaged after the load', async () => {
    let damaged = false;
    const on = damagedStage(() => damaged);
    const image = new Uint8Array(height * width * 3);
    const submit = () =>
      on.serving.use(versionOf(1), 'onnx', (queue) =>
        queue.submit(image, { priority: 'interactive', outputs: ['probabilities'] }),
      );
    await submit();
    damaged = true;
    await expect(submit()).rejects.toMatchObject({ code: 'model_unavailable' });
    expect((await submit()).batchSize).toBe(1);
  });
});

describe('the memory of models', () => {
  test('is made free by unloading those that were used least recently', async () => {
    const on = stage({ memoryBytes: 2 * SIZE });
    for (const name of ['a', 'b', 'a', 'c']) await on.serving.use(versionOf(1, name), 'onnx', idle);
    expect(on.evicted).toEqual(['b@1']);
    expect(on.unloaded).toEqual(['b-1/onnx/1']);
    expect(loaded(on)).toEqual(['a@1', 'c@1']);
  });

  test('is kept by a pinned model, unless nothing else is left', async () => {
    const on = stage({ memoryBytes: 2 * SIZE, isPinned: ({ name }) => name === 'pinned' });
    for (const name of ['pinned', 'a', 'b']) await on.serving.use(versionOf(1, name), 'onnx', idle);
    expect(loaded(on)).toEqual(['pinned@1', 'b@1']);
    const tight = stage({ memoryBytes: SIZE, isPinned: ({ name }) => name === 'pinned' });
    for (const name of ['pinned', 'a']) await tight.serving.use(versionOf(1, name), 'onnx', idle);
    expect(loaded(tight)).toEqual(['a@1']);
  });

  test('is taken from a model only when its requests are answered', async () => {
    const on = stage({ memoryBytes: SIZE });
    const working = deferred<void>();
    const begun = deferred<void>();
    const request = on.serving.use(versionOf(1, 'a'), 'onnx', async (queue) => {
      begun.resolve();
      await working.promise;
      return queue.submit(new Uint8Array(height * width * 3), { priority: 'interactive', outputs: ['logits'] });
    });
    await begun.promise;
    const next = on.serving.use(versionOf(1, 'b'), 'onnx', idle);
    await expect.poll(() => on.evicted).toEqual(['a@1']);
    // A request for the model waits now until it is loaded again.
    const again = on.serving.use(versionOf(1, 'a'), 'onnx', idle);
    expect(on.unloaded).toEqual([]);
    working.resolve();
    expect((await request).outputs.logits).toHaveLength(2);
    await Promise.all([next, again]);
    expect(on.evicted).toEqual(['a@1', 'b@1']);
  });

  test('must hold a model at least once', async () => {
    const on = stage({ memoryBytes: SIZE - 1 });
    await expect(on.serving.load(versionOf(1))).rejects.toMatchObject({
      code: 'model_unavailable',
      message: expect.stringMatching(/100 bytes.*99.*MODEL_MEMORY_BYTES/),
    });
  });

  test('holds a large model in fewer engines, without a session for lone requests', async () => {
    const { options } = stage();
    const sessions = async (memoryBytes: number) => {
      const engines = { ...options.engines, concurrency: ({ engines: most = 4 }: EngineModel) => Math.min(4, most) };
      const on = stage({ memoryBytes, engines, cores: 2 });
      await on.serving.load(versionOf(1));
      return on.serving.loaded()[0]?.bytes;
    };
    expect(await sessions(2 * SIZE)).toBe(2 * SIZE);
    expect(await sessions(4 * SIZE)).toBe(4 * SIZE);
    expect(await sessions(9 * SIZE)).toBe(5 * SIZE);
  });

  test('is shared by versions of the same weights', async () => {
    const on = stage({ memoryBytes: SIZE }, () => 'same');
    for (const version of [1, 2]) await on.serving.use(versionOf(version), 'onnx', idle);
    expect(on.evicted).toEqual([]);
    await on.serving.release(versionOf(1));
    expect(on.unloaded).toEqual([]);
    await on.serving.release(versionOf(2));
    expect(on.unloaded).toEqual(['same/onnx/1']);
  });

  test('counts once when versions share it', async () => {
    const on = stage({ memoryBytes: 2 * SIZE }, ({ name }) => name);
    for (const model of [versionOf(1, 'a'), versionOf(2, 'a'), versionOf(1, 'b')]) {
      await on.serving.use(model, 'onnx', idle);
    }
    expect(on.evicted).toEqual([]);
    expect(loaded(on)).toEqual(['a@1', 'a@2', 'b@1']);
  });
});

describe('a version that is unloaded by request', () => {
  test('is unloaded on each runtime, and not served until it is loaded by request', async () => {
    const on = stage();
    await on.serving.use(versionOf(1), 'onnx', idle);
    await on.serving.use(versionOf(1), 'tfjs', idle);
    await on.serving.unload(versionOf(1));
    expect(on.unloaded).toEqual(['flowers-1/onnx/1', 'flowers-1/tfjs/1']);
    expect(on.serving.state(versionOf(1))).toEqual({ state: 'UNAVAILABLE', reason: 'it was unloaded by request' });
    await expect(on.serving.use(versionOf(1), 'onnx', idle)).rejects.toMatchObject({ code: 'model_not_loaded' });
    await on.serving.load(versionOf(1));
    await on.serving.use(versionOf(1), 'onnx', idle);
  });

  test('finishes the requests that use it', async () => {
    const on = stage();
    const working = deferred<void>();
    const begun = deferred<void>();
    const request = on.serving.use(versionOf(1), 'onnx', async () => {
      begun.resolve();
      await working.promise;
      return 'answered';
    });
    await begun.promise;
    const unloading = on.serving.unload(versionOf(1));
    await expect(on.serving.use(versionOf(1), 'onnx', idle)).rejects.toMatchObject({ code: 'model_not_loaded' });
    expect(on.unloaded).toEqual([]);
    working.resolve();
    expect(await request).toBe('answered');
    await unloading;
    expect(on.unloaded).toEqual(['flowers-1/onnx/1']);
  });

  test('while it is being loaded leaves no failure behind when the load fails', async () => {
    const { options } = stage();
    const converting = deferred<void>();
    const on = stage({
      conversions: {
        ...options.conversions,
        get: () => converting.promise.then(() => Promise.reject(new Error('cut'))),
      },
    });
    const failing = expect(on.serving.use(versionOf(1), 'onnx', idle)).rejects.toThrow('cut');
    const leaving = on.serving.release(versionOf(1));
    converting.resolve();
    await Promise.all([failing, leaving]);
    expect(on.serving.obstacle(versionOf(1))).toBeUndefined();
  });

  test('that never served costs nothing', async () => {
    const on = stage();
    await on.serving.unload(versionOf(1));
    expect(on.unloaded).toEqual([]);
  });
});

describe('a version that takes the place of another', () => {
  test('is loaded before the old one is unloaded, and then serves', async () => {
    const next = { ...versionOf(1), files: async () => ({ weightsPath: 'other' }) };
    const on = stage({}, (model) => (model === next ? 'new' : 'old'));
    await on.serving.use(versionOf(1), 'onnx', idle);
    const swap = await on.serving.prepare(next);
    expect(on.asked.at(-1)?.key).toBe('new/onnx/1');
    expect(on.unloaded).toEqual([]);
    swap();
    await expect.poll(() => on.unloaded).toEqual(['old/onnx/1']);
    on.asked.length = 0;
    await on.serving.use(next, 'onnx', idle);
    expect(on.asked).toEqual([]);
  });

  test('that cannot be loaded leaves the old one in place', async () => {
    const { options } = stage();
    const broken = versionOf(1);
    const on = stage({
      conversions: {
        ...options.conversions,
        get: (model) => (model === broken ? Promise.reject(new Error('no weights')) : options.conversions.get(model)),
      },
    });
    await on.serving.use(versionOf(1), 'onnx', idle);
    await expect(on.serving.prepare(broken)).rejects.toThrow('no weights');
    expect(on.serving.state(versionOf(1)).state).toBe('READY');
  });

  test('is not loaded where the old one is not loaded', async () => {
    const on = stage();
    (await on.serving.prepare(versionOf(1)))();
    expect(on.asked).toEqual([]);
  });
});

describe('the threads of a batch', () => {
  /** Threads that the engines are asked for, for images that come while they are idle or not. */
  async function threadsOf(runtime: 'onnx' | 'tfjs', isIdle: boolean, images: number): Promise<number[]> {
    const { options } = stage();
    const asked: number[] = [];
    const engines = {
      ...options.engines,
      idle: isIdle,
      acquire: async (model: EngineModel) => {
        asked.push(model.threads);
        return lease;
      },
    };
    const on = stage({ cores: 8, engines });
    await on.serving.use(versionOf(1), runtime, async (queue) => {
      asked.length = 0;
      const submit = () =>
        queue.submit(new Uint8Array(height * width * 3), { priority: 'interactive', outputs: ['probabilities'] });
      await Promise.all(Array.from({ length: images }, submit));
    });
    return asked;
  }

  test('are several for an image that is alone', async () => {
    expect(await threadsOf('onnx', true, 1)).toEqual([4]);
  });

  test('are those of the settings while other images are computed or wait', async () => {
    expect(await threadsOf('onnx', false, 1)).toEqual([1]);
    expect((await threadsOf('onnx', true, 3))[0]).toBe(1);
  });

  test('of TensorFlow.js are one, since more do not help it', async () => {
    expect(await threadsOf('tfjs', true, 1)).toEqual([1]);
  });
});
