import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import type { FeatureSet } from '../../../src/finetuning/features/feature-set.ts';
import {
  type SearchInput,
  type SearchProgress,
  searchHyperparameters,
} from '../../../src/finetuning/head/hyperparameter-search.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';
import { blobs } from './blobs.ts';

const CLASSES = 3;
const shape = { classes: CLASSES, perClass: 10, dimension: 8 };
const telling = blobs({ ...shape, distance: 6, seed: 1 });
const noise = blobs({ ...shape, distance: 0, seed: 2 });
const { labels } = telling;

const good: FeatureSet = { name: 'activations', dimension: 8, originals: telling.features };
const bad: FeatureSet = { name: 'features', dimension: 8, originals: noise.features };
/** A set whose copies have the features of other classes. */
const misled: FeatureSet = {
  ...good,
  copies: {
    features: Float32Array.of(...telling.features, ...telling.features),
    sources: Int32Array.from({ length: 60 }, (_, i) => (i + 1 + Math.floor(i / 30)) % 30),
  },
};

describe('searchHyperparameters', () => {
  let tf: TensorFlow;
  beforeAll(async () => {
    ({ tf } = await loadTensorFlow({ threads: 1 }));
  });

  const search = (input: Partial<SearchInput>) =>
    searchHyperparameters(tf, { classes: CLASSES, labels, sets: [good], seed: 1, ...input });

  it('finds the feature set that separates the classes', async () => {
    const { best, trials, hyperparameters, folds } = await search({ sets: [bad, good] });
    expect(best).toMatchObject({ features: 'activations', chosen: true });
    expect(trials[0]).toMatchObject({ features: 'features', augmented: false, chosen: true });
    expect(best.accuracy).toBeGreaterThan((trials[0]?.accuracy ?? 1) + 0.3);
    expect(folds).toBe(3);
    expect(hyperparameters.seed).toBe(1);
  });

  it('drops augmented copies that are harmful', async () => {
    const { best } = await search({ sets: [misled] });
    expect(best.augmented).toBe(false);
  });

  it('finds hidden units when a linear head cannot learn the classes', async () => {
    const random = seededRandom(3);
    const count = 240;
    const originals = Float32Array.from({ length: 2 * count }, () => random.normal());
    const parity = Int32Array.from({ length: count }, (_, i) =>
      Number((originals[2 * i] ?? 0) > 0 !== (originals[2 * i + 1] ?? 0) > 0),
    );
    const sets = [{ name: 'features', dimension: 2, originals }];
    const { best, hyperparameters } = await search({ labels: parity, classes: 2, sets });
    expect(best.hiddenUnits).toEqual([128]);
    expect(hyperparameters).toMatchObject({ hiddenUnits: [128], dropout: 0.3 });
  });

  it('keeps the defaults when nothing is significantly better', async () => {
    const { best, trials } = await search({ sets: [bad], fixed: { weightDecay: 1 } });
    expect(best).toEqual(trials[0]);
    expect(trials.filter(({ chosen }) => chosen)).toHaveLength(1);
  });

  it('does not search hyperparameters that the user has set', async () => {
    const { trials, hyperparameters } = await search({ fixed: { learningRate: 0.01, hiddenUnits: [4], epochs: 3 } });
    expect(hyperparameters).toMatchObject({ learningRate: 0.01, hiddenUnits: [4], epochs: 3 });
    expect(trials.every((trial) => trial.learningRateFactor === 1 && trial.hiddenUnits[0] === 4)).toBe(true);
    expect(trials.map(({ weightDecayFactor }) => weightDecayFactor)).toEqual([1, 0.3, 2.5]);
  });

  it('reports each trial and the total number', async () => {
    const seen: SearchProgress[] = [];
    const fixed = { epochs: 1 };
    const { trials } = await search({ sets: [misled, bad], fixed, onTrial: (p) => seen.push(p) });
    expect(seen.map(({ trial }) => trial)).toEqual(trials);
    expect(seen.map(({ done }) => done)).toEqual(trials.map((_, i) => i + 1));
    expect(new Set(seen.map(({ total }) => total))).toEqual(new Set([trials.length]));
    expect(new Set(trials.map((trial) => JSON.stringify({ ...trial, accuracy: 0, loss: 0 }))).size).toBe(trials.length);
  });

  it('gives the same result for the same seed', async () => {
    const input = { sets: [bad, good], fixed: { epochs: 5 } };
    expect(await search(input)).toEqual(await search(input));
  });

  it('stops when it is cancelled', async () => {
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const searching = search({ signal: controller.signal, onTrial: () => controller.abort(reason) });
    await expect(searching).rejects.toBe(reason);
  });
});
