import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { readZoo } from '../../src/registry/zoo.ts';
import { RUNTIME_NAMES } from '../../src/runtime/session.ts';
import type { ConvertedModel } from '../../src/serving/conversion-cache.ts';
import { ModelServing } from '../../src/serving/model-serving.ts';

const [zooModel] = (await readZoo('zoo')).models;
if (zooModel === undefined) throw new Error('the zoo is empty');
const { manifest, files } = zooModel;
const [height, width] = manifest.preprocessing.inputSize;
const image = new Uint8Array(height * width * 3);
const SIZE = 100;
const STEPS = 150;

/** A generator of numbers in 0..limit-1, the same for the same seed. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** Serving on engines that take a random number of turns for everything. `held` has the keys that they hold. */
function createServing(random: (limit: number) => number): { serving: ModelServing; held: Set<string> } {
  const held = new Set<string>();
  const wait = async (): Promise<void> => {
    for (let turns = random(6); turns > 0; turns -= 1) await turn();
  };
  const file = { path: 'model', files: [], size: SIZE, sha256: '' };
  const convert = async (model: ModelVersion): Promise<ConvertedModel> => {
    await wait();
    if (random(8) === 0) throw new Error('cannot be converted now');
    return {
      // Versions 1 and 2 have the same weights.
      key: `${model.name}-${Math.max(2, model.version)}-${(await model.files()).weightsPath}`,
      inputSize: [height, width],
      numClasses: 2,
      featureSize: 2,
      activationShape: [1, 1, 2],
      onnx: file,
      tfjs: file,
      explanation: { refused: 'not needed' },
    };
  };
  const serving = new ModelServing({
    conversions: { get: convert, verified: convert },
    engines: {
      idle: true,
      obstacle: undefined,
      concurrency: () => 1,
      acquire: async (model) => {
        await wait();
        return {
          threads: 1,
          cpuMs: 0,
          run: async ({ shape: [n = 0] }, outputs) => {
            held.add(model.key);
            await wait();
            if (random(20) === 0) throw new Error('the engine was lost');
            return Object.fromEntries(outputs.map((name) => [name, { data: new Float32Array(n * 2), shape: [n, 2] }]));
          },
          release: () => {},
        };
      },
      unload: async (keys) => {
        for (const key of keys) held.delete(key);
        await wait();
      },
    },
    threads: 1,
    cores: 1,
    maxBatchSize: 4,
    maxDelayMs: 0,
    queueLimit: 100,
    memoryBytes: 2 * SIZE,
    isPinned: ({ name }) => name === 'a',
    onBatch: () => {},
    onEviction: () => {},
  });
  return { serving, held };
}

test.each([1, 2, 3, 4, 103, 117, 143, 507])(
  'any order of uses, loads, unloads and replacements ends well (seed %i)',
  async (seed) => {
    const random = generator(seed);
    const { serving, held } = createServing(random);
    const versions = ['a', 'b'].flatMap((name) => [1, 2, 3].map((version) => ({ name, version, manifest, files })));
    const calls: Promise<unknown>[] = [];
    for (let step = 0; step < STEPS; step += 1) {
      const at = random(versions.length);
      const model = versions[at] ?? versions[0];
      if (model === undefined) throw new Error('there are no versions');
      const runtime = RUNTIME_NAMES[random(2)] ?? 'onnx';
      const submit = () =>
        serving.use(model, runtime, (queue) => queue.submit(image, { priority: 'bulk', outputs: ['probabilities'] }));
      const replace = async (): Promise<void> => {
        const next = { ...model, files: async () => ({ weightsPath: `replaced in step ${step}` }) };
        const swap = await serving.prepare(next);
        versions[at] = next;
        swap();
      };
      const actions = [submit, submit, submit, () => serving.load(model), () => serving.unload(model), replace];
      calls.push(Promise.allSettled([actions[random(actions.length)]?.()]));
      if (random(2) === 0) await turn();
    }
    await Promise.all(calls);
    await Promise.all(versions.map((model) => serving.unload(model)));
    expect(serving.loaded()).toEqual([]);
    expect([...held]).toEqual([]);
    await serving.close();
  },
);
