import { beforeAll, describe, expect, test } from 'vitest';
import type { DatasetFeatures } from '../../src/finetuning/features/dataset-features.ts';
import type { Samples } from '../../src/finetuning/features/feature-set.ts';
import { parseFinetuneOptions } from '../../src/finetuning/finetune-options.ts';
import { trainAndTest } from '../../src/finetuning/train-and-test.ts';
import { CORRUPTIONS, SEVERITIES } from '../../src/image/corruptions/corrupt.ts';
import { loadTensorFlow, type TensorFlow } from '../../src/runtime/tensorflow.ts';
import { blobs } from './head/blobs.ts';

const CLASSES = 3;
const DIMENSION = 6;
/** Number of values of the layers before the features. */
const WIDE = 100;
const LAYERS = [
  { name: 'first', size: WIDE },
  { name: 'middle', size: WIDE },
  { name: 'features', size: DIMENSION },
];
const ALL = 2 * WIDE + DIMENSION;

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await loadTensorFlow({ threads: 1 }));
});

/** Features of three layers, whose classes are separated by the given distances. */
function layered(perClass: number, seed: number, distances: readonly [number, number, number]): Samples {
  const parts = distances.map((distance, layer) =>
    blobs({ classes: CLASSES, perClass, dimension: LAYERS[layer]?.size ?? 0, distance, seed: 10 * seed + layer }),
  );
  const labels = parts[0]?.labels ?? new Int32Array();
  const rows = Array.from(labels, (_, row) =>
    parts.flatMap(({ features }) => {
      const size = features.length / labels.length;
      return [...features.subarray(row * size, (row + 1) * size)];
    }),
  );
  return { features: Float32Array.from(rows.flat()), labels };
}

function dataset(distances: readonly [number, number, number]): DatasetFeatures {
  const train = layered(20, 1, distances);
  const test = layered(10, 3, distances);
  return {
    layers: LAYERS,
    train: {
      set: { name: 'features', dimension: ALL, originals: train.features },
      labels: train.labels,
    },
    validation: layered(8, 2, distances),
    test,
    testNames: Array.from(test.labels, (_, index) => `${index}.jpg`),
  };
}

const trained = (distances: readonly [number, number, number], search: 'none' | 'quick', layers?: 'last' | 'all') => {
  // Leaves only the layers and the weight decay to search.
  const options = parseFinetuneOptions({
    name: 'blobs',
    search,
    layers,
    epochs: 3,
    learning_rate: 0.02,
    hidden_units: [],
  });
  return trainAndTest(tf, dataset(distances), CLASSES, options, () => {});
};

test('corrupted test images are judged by what the head reads of them', async () => {
  const offered = dataset([6, 6, 6]);
  // Every corruption leaves the first test image as it is, and makes the last one look like the first.
  const row = offered.test.features.slice(0, ALL);
  const last = offered.test.labels.length - 1;
  const rows = [0, last].flatMap((image) =>
    CORRUPTIONS.flatMap((corruption) => SEVERITIES.map((severity) => ({ corruption, severity, image }))),
  );
  const corrupted = { rows, features: Float32Array.from(rows.flatMap(() => [...row])) };
  for (const layers of ['all', 'last'] as const) {
    const options = parseFinetuneOptions({ name: 'blobs', layers, epochs: 20, learning_rate: 0.02 });
    const { test: judged } = await trainAndTest(tf, { ...offered, corrupted }, CLASSES, options, () => {});
    expect(judged?.robustness).toMatchObject({ images: 2, corruptedAccuracy: 1 / 2 });
    expect(judged?.robustness?.worst[0]).toMatchObject({ id: `${last}.jpg`, label: 2, predicted: 0 });
  }
  const { test: untested } = await trained([6, 6, 6], 'none');
  expect(untested?.robustness).toBeUndefined();
});

describe('the layers that a head reads', () => {
  test('are all layers without a search', async () => {
    const { reads, layers } = await trained([6, 6, 6], 'none');
    expect(reads).toEqual(LAYERS);
    expect(layers[0]?.inputs).toBe(ALL);
  });

  test('are all layers when the earlier ones separate the classes', async () => {
    const { reads, layers, test: judged, search } = await trained([6, 0, 0], 'quick');
    expect(reads).toEqual(LAYERS);
    expect(layers[0]?.inputs).toBe(ALL);
    expect(judged?.evaluation.accuracy).toBeGreaterThan(0.8);
    const tried = new Set(search?.trials.map(({ features }) => features));
    expect([...tried]).toEqual(['last 3 layers', 'last layer']);
  });

  test('are those that the client asks for, and then a search does not compare layers', async () => {
    const last = await trained([6, 6, 6], 'none', 'last');
    expect(last.reads.map(({ name }) => name)).toEqual(['features']);
    expect(last.layers[0]?.inputs).toBe(DIMENSION);
    const { reads, search } = await trained([6, 0, 0], 'quick', 'last');
    expect(reads.map(({ name }) => name)).toEqual(['features']);
    expect(new Set(search?.trials.map(({ features }) => features))).toEqual(new Set(['last layer']));
  });

  test('are fewer when the earlier ones are noise', async () => {
    const { reads } = await trained([0, 0, 5], 'quick');
    expect(reads.map(({ name }) => name)).toEqual(['features']);
  });
});
