import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import type { DatasetFeatures } from '../../../src/finetuning/features/dataset-features.ts';
import { nearestPrototypes } from '../../../src/finetuning/head/baselines.ts';
import { blendLayers, blendOf } from '../../../src/finetuning/head/blend.ts';
import { computeLogits } from '../../../src/finetuning/head/dense-layers.ts';
import { areFew, solveHead } from '../../../src/finetuning/head/few-images.ts';
import { forecast, measureLearningCurve } from '../../../src/finetuning/head/learning-curve.ts';
import { fitPowerLaw } from '../../../src/finetuning/head/power-law.ts';
import { fitPrototypes } from '../../../src/finetuning/head/prototypes.ts';
import { fitRidge } from '../../../src/finetuning/head/ridge-regression.ts';
import { argmaxRows, countCorrect } from '../../../src/finetuning/head/softmax.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';
import { blobs } from './blobs.ts';

const CLASSES = 4;
const DIMENSION = 12;
const shape = { classes: CLASSES, dimension: DIMENSION, distance: 2.5 };

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await loadTensorFlow({ threads: 1 }));
});

/** Images with two noisy copies each. */
function imagesWithCopies(perClass: number) {
  const { features, labels } = blobs({ ...shape, perClass, seed: 1 });
  const random = seededRandom(5);
  const sources = Int32Array.from({ length: 2 * labels.length }, (_, i) => i % labels.length);
  const copies = Float32Array.from(
    { length: 2 * features.length },
    (_, i) => (features[i % features.length] ?? 0) + 0.3 * random.normal(),
  );
  const set = { name: 'features', dimension: DIMENSION, originals: features, copies: { features: copies, sources } };
  return { set, augmented: true, labels };
}

/** The same without one image and its copies. */
function without(images: ReturnType<typeof imagesWithCopies>, left: number): ReturnType<typeof imagesWithCopies> {
  const { originals, copies } = images.set;
  const rowsWhere = (matrix: Float32Array, keep: (row: number) => boolean) =>
    matrix.filter((_, i) => keep(Math.floor(i / DIMENSION)));
  const kept = copies.sources.filter((source) => source !== left);
  return {
    set: {
      ...images.set,
      originals: rowsWhere(originals, (row) => row !== left),
      copies: {
        features: rowsWhere(copies.features, (row) => copies.sources[row] !== left),
        sources: kept.map((source) => (source > left ? source - 1 : source)),
      },
    },
    augmented: true,
    labels: images.labels.filter((_, i) => i !== left),
  };
}

describe('ridge regression', () => {
  it('answers for an image as a head that was fitted without it and its copies', () => {
    const images = imagesWithCopies(5);
    const [whole] = fitRidge(tf, images, CLASSES, [0.3]);
    const [other] = fitRidge(tf, without(images, 7), CLASSES, [0.3]);
    const row = images.set.originals.subarray(7 * DIMENSION, 8 * DIMENSION);
    const refitted = computeLogits(tf, other ? [other.layer] : [], row);
    const answers = [...(whole?.heldOut.subarray(7 * CLASSES, 8 * CLASSES) ?? [])];
    // Standardisation and the scale of the penalty change a little without the image.
    for (const [k, answer] of answers.entries()) expect(Math.abs(answer - (refitted[k] ?? 9))).toBeLessThan(0.08);
    const seen = computeLogits(tf, whole ? [whole.layer] : [], row);
    expect(Math.abs((seen[3] ?? 0) - (answers[3] ?? 0))).toBeGreaterThan(0.1);
  });

  it('interpolates with a small penalty and says little with a large one', () => {
    const images = { ...imagesWithCopies(3), augmented: false };
    const [small, large] = fitRidge(tf, images, CLASSES, [1e-4, 1e4]);
    const scoreOf = (layer: Parameters<typeof computeLogits>[1][number] | undefined) =>
      layer ? computeLogits(tf, [layer], images.set.originals) : new Float32Array();
    expect(countCorrect(argmaxRows(scoreOf(small?.layer), CLASSES), images.labels)).toBe(images.labels.length);
    const spread = Math.max(...scoreOf(large?.layer)) - Math.min(...scoreOf(large?.layer));
    expect(spread).toBeLessThan(0.01);
  });
});

describe('class prototypes', () => {
  it('take the class with the largest cosine, whatever the length of the features', () => {
    const train = { features: Float32Array.of(1, 0, 10, 1, 0, 1, 1, 10), labels: Int32Array.of(0, 0, 1, 1) };
    expect([...nearestPrototypes(tf, train, Float32Array.of(0.2, 0.1, 30, 50), 2)]).toEqual([0, 1]);
  });

  it('answer for each sample with means that leave it out', () => {
    const train = { features: Float32Array.of(1, 0, 0.8, 0.6, 0, 1), labels: Int32Array.of(0, 0, 1) };
    const { heldOut } = fitPrototypes(train, 2);
    expect(heldOut[0]).toBeCloseTo(0.8);
    // The only sample of its class has no mean without it.
    expect(heldOut[5]).toBe(0);
  });
});

describe('the blend of two heads', () => {
  it('gives no weight to one that only harms', () => {
    const labels = Int32Array.of(0, 1, 0, 1);
    const good = Float32Array.of(1, 0, 0, 1, 1, 0, 0, 1);
    const bad = Float32Array.of(0, 1, 1, 0, 0, 1, 1, 0);
    expect(blendOf(good, bad, labels, 2)).toEqual({ first: 1, second: 0 });
    expect(blendOf(good, good, labels, 2, 0.5)).toEqual({ first: 0.75, second: 0.25 });
  });

  it('is one dense layer, in which the second reads the last inputs', () => {
    const first = { inputs: 3, outputs: 1, weight: Float32Array.of(1, 2, 3), bias: Float32Array.of(1) };
    const second = { inputs: 1, outputs: 1, weight: Float32Array.of(10), bias: Float32Array.of(2) };
    const { weight, bias } = blendLayers(first, second, { first: 2, second: 0.5 });
    expect([...weight, ...bias]).toEqual([2, 4, 11, 3]);
  });
});

describe('a head for few images', () => {
  const dataset = (perClass: number): DatasetFeatures => {
    const { set, labels } = imagesWithCopies(perClass);
    return {
      layers: [{ name: 'features', size: DIMENSION }],
      train: { set, labels },
      validation: blobs({ ...shape, perClass: 1, seed: 2 }),
      test: blobs({ ...shape, perClass: 200, seed: 3 }),
      testNames: [],
    };
  };

  it('is at least as good as class means, with a temperature that fits', () => {
    const data = dataset(5);
    const { head } = solveHead(tf, data, CLASSES, [1]);
    const right = countCorrect(
      argmaxRows(computeLogits(tf, head.layers, data.test.features), CLASSES),
      data.test.labels,
    );
    const train = { features: data.train.set.originals, labels: data.train.labels };
    const rival = countCorrect(nearestPrototypes(tf, train, data.test.features, CLASSES), data.test.labels);
    expect(right).toBeGreaterThanOrEqual(rival - 8);
    expect(right).toBeGreaterThan(0.6 * data.test.labels.length);
    expect(head.temperature).toBeGreaterThan(0.1);
    expect(head.temperature).toBeLessThan(10);
  });

  it('is for up to 40 images per class, and at most 1,000', () => {
    expect([areFew(80, 2), areFew(81, 2), areFew(1000, 200), areFew(1001, 200)]).toEqual([true, false, true, false]);
  });
});

describe('the learning curve', () => {
  const law = (images: number, error = 0.004) => ({ images, accuracy: 1 - (0.05 + 2 * images ** -0.6), error });

  it('finds the law that the points follow', () => {
    const { scale, exponent, floor } = fitPowerLaw([20, 40, 80, 160, 320].map((images) => law(images, 1e-3)));
    expect(floor + scale * 640 ** -exponent).toBeCloseTo(0.05 + 2 * 640 ** -0.6, 2);
  });

  it('forecasts twice and four times the images, with an interval that holds the truth', () => {
    const [twice, four] = forecast(
      [20, 40, 80, 160].map((images) => law(images)),
      1,
    );
    for (const [ahead, images] of [
      [twice, 320],
      [four, 640],
    ] as const) {
      expect(ahead?.images).toBe(images);
      expect(ahead?.interval.low).toBeLessThan(law(images).accuracy);
      expect(ahead?.interval.high).toBeGreaterThan(law(images).accuracy);
    }
  });

  it.each([
    ['too few points', [20, 40, 80].map((images) => law(images))],
    ['points that are too uncertain', [20, 40, 80, 160].map((images) => law(images, 0.1))],
    ['a curve that is flat', [20, 40, 80, 160].map((images) => ({ images, accuracy: 0.8, error: 0.01 }))],
  ])('forecasts nothing from %s', (_, points) => {
    expect(forecast(points, 1)).toEqual([]);
  });

  it('is measured on images that a subset does not have', () => {
    const images = blobs({ ...shape, distance: 3, perClass: 24, seed: 1 });
    const input = { images, classes: CLASSES, penalty: 0.3, seed: 1 };
    const { points } = measureLearningCurve(tf, input);
    expect(points.map(({ images: count }) => count)).toEqual([12, 24, 48, 72, 96]);
    expect(points[0]?.accuracy).toBeLessThan(points.at(-1)?.accuracy ?? 0);
    expect(measureLearningCurve(tf, input)).toEqual({ points, forecasts: expect.anything() });
  });
});
