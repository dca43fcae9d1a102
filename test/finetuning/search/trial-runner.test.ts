import { beforeAll, describe, expect, it } from 'vitest';
import type { DatasetImage } from '../../../src/finetuning/dataset/inspected-image.ts';
import type { TrainingModel } from '../../../src/finetuning/features/feature-network.ts';
import { OutOfTime, type RungImages } from '../../../src/finetuning/search/rung-features.ts';
import { SearchClock } from '../../../src/finetuning/search/search-clock.ts';
import { TrialRunner } from '../../../src/finetuning/search/trial-runner.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';
import { blobs } from '../head/blobs.ts';

const CLASSES = 3;
const PER_CLASS = 10;
const COUNT = CLASSES * PER_CLASS;
/** Images that are not in the training split. */
const HELD = 20;
/** Milliseconds for the features of an image; everything else takes no time. */
const COSTS: Readonly<Record<string, number>> = { small: 10, large: 1000 };
const RUNG = { images: COUNT, folds: COUNT, solved: true, index: 0 };

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await loadTensorFlow({ threads: 1 }));
});

const named = (name: string) => ({ name, manifest: { num_features: 6 } }) as TrainingModel;
const imageOf = (index: number): DatasetImage =>
  ({
    digest: String(index).padStart(3, '0'),
    split: index < COUNT ? 'train' : 'validation',
    classIndex: index % CLASSES,
  }) as DatasetImage;

/**
 * A runner whose time passes only while features are computed, and, with a `tick`, by so much each time that the clock
 * is read. `small` is the default; `slowness` is unexpected.
 */
function fakeRunner(budget: number, { slowness = 1, tick = 0, opening = 0 } = {}) {
  let now = 0;
  const asked: string[] = [];
  // All images were inspected with the default.
  const cached = new Set(['small']);
  const { features, labels } = blobs({ classes: CLASSES, perClass: PER_CLASS, dimension: 6, distance: 5, seed: 1 });
  const compute = async ({ backbone: { name }, images }: RungImages, isLate: () => boolean) => {
    asked.push(name);
    if (!(name in COSTS)) throw new Error('no such network');
    let passes = 0;
    now += opening;
    for (const _image of cached.has(name) ? [] : images) {
      if (isLate()) throw new OutOfTime('late');
      passes += 1;
      now += slowness * (COSTS[name] ?? 0);
    }
    cached.add(name);
    return {
      passes,
      opening,
      features: {
        layers: [{ name: 'features', size: 6 }],
        train: { set: { name: 'features', dimension: 6, originals: features }, labels },
        validation: { features: new Float32Array(), labels: new Int32Array() },
        test: { features: new Float32Array(), labels: new Int32Array() },
        testNames: [],
      },
    };
  };
  const runner = new TrialRunner(tf, new SearchClock(budget, () => (now += tick)), {
    compute,
    images: Array.from({ length: COUNT + HELD }, (_, index) => imageOf(index)),
    classes: CLASSES,
    copies: 0,
    layers: 'last',
    seed: 1,
    fixed: {},
    preference: 'accuracy',
    furtherPasses: () => 0,
    few: true,
    latencyOf: (name) => COSTS[name] ?? 0,
  });
  const run = (name: string, index = 0) => runner.run(named(name), { ...RUNG, index }, () => undefined);
  return { runner, run, asked, now: () => now };
}

describe('the trials of a search', () => {
  it('begin with the default, however late it is', async () => {
    const { runner, run } = fakeRunner(-1000);
    expect(await run('small')).toMatchObject([{ candidate: { backbone: 'small', solved: true } }]);
    expect(await run('large')).toBeUndefined();
    expect(runner.outOfTime).toBe(true);
  });

  it('do not begin where the features would take the time of the training after them', async () => {
    // All 50 images on the large backbone take 50 s: 30 s of them for the trial.
    const tight = fakeRunner(50_000);
    await tight.run('small');
    expect(await tight.run('large')).toBeUndefined();
    expect(tight.asked).toEqual(['small']);
    expect(tight.now()).toBe(0);

    const ample = fakeRunner(60_000);
    await ample.run('small');
    expect(await ample.run('large')).toHaveLength(1);
    expect(ample.runner.outOfTime).toBe(false);
  });

  it('say what decided that they could begin: what they took and what was kept fitted into what was left', async () => {
    const { runner, run } = fakeRunner(60_000);
    await run('small');
    await run('large');
    await run('large', 1);
    const [, ...others] = runner.trials;
    expect(others).toHaveLength(2);
    for (const { timing } of others) expect(timing.expected + timing.reserved).toBeLessThanOrEqual(timing.left);
    // The features of the first of the two are not computed again.
    expect(others.map(({ timing }) => Math.round(timing.expected / 1000))).toEqual([30, 0]);
  });

  it('are given up while there is still time for the training, when the features take longer than expected', async () => {
    const { runner, run, now } = fakeRunner(60_000, { slowness: 3 });
    await run('small');
    expect(await run('large')).toBeUndefined();
    expect(runner.outOfTime).toBe(true);
    expect(runner.trials.map(({ candidate }) => candidate.backbone)).toEqual(['small']);
    expect(now()).toBeLessThan(60_000);
  });

  it('do not count the opening of a network with each image', async () => {
    const { runner, run } = fakeRunner(200_000, { opening: 3000 });
    await run('small');
    await run('large');
    await run('large', 1);
    // 3 s for the network, though 30 images on it took 33 s, and 20 s for the other 20 images.
    expect(runner.trials.at(-1)?.timing.expected).toBe(3000);
    expect(runner.trials.at(-1)?.timing.reserved).toBeCloseTo(1.15 * 23_000 + 2000);
  });

  it('do not wait for gradient descents where the heads of the model and of the classes left out are solved for', async () => {
    // The trial takes 60 s and the training after it 42 s; with a gradient descent for each class it would take 80 s.
    const { runner, run } = fakeRunner(116_000, { tick: 1000 });
    await run('small');
    expect(await run('large')).toHaveLength(1);
    expect(runner.outOfTime).toBe(false);
  });

  it('end with the reason where features cannot be computed', async () => {
    const { run } = fakeRunner(60_000);
    await run('small');
    await expect(run('broken')).rejects.toThrow('no such network');
  });
});
