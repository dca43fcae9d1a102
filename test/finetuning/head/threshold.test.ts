import { describe, expect, it } from 'vitest';
import { applyThreshold, chooseThreshold, coverageCurve } from '../../../src/finetuning/head/threshold.ts';

/** Predictions of class 0, out of two classes, with the given confidence, each right or wrong. */
function predictions(list: readonly (readonly [confidence: number, right: boolean])[]) {
  return {
    probabilities: Float32Array.from(list.flatMap(([confidence]) => [confidence, 1 - confidence])),
    labels: Int32Array.from(list, ([, right]) => (right ? 0 : 1)),
  };
}

/** Confident predictions are right, the others half of the time. */
const typical = predictions([
  ...Array.from({ length: 12 }, (_, i) => [0.8 + i / 100, true] as const),
  ...Array.from({ length: 8 }, (_, i) => [0.6 + i / 100, i % 2 === 0] as const),
]);

describe('coverageCurve', () => {
  it('has a point for each confidence, from all predictions to the most confident ones', () => {
    const { probabilities, labels } = predictions([
      [0.75, true],
      [0.75, false],
      [0.5, false],
      [1, true],
    ]);
    expect(coverageCurve(probabilities, labels, 2)).toEqual([
      { threshold: 0.5, coverage: 1, accuracy: 0.5 },
      { threshold: 0.75, coverage: 0.75, accuracy: 2 / 3 },
      { threshold: 1, coverage: 0.25, accuracy: 1 },
    ]);
  });
});

describe('chooseThreshold', () => {
  it('halves the error rate and keeps as many predictions as possible', () => {
    const { probabilities, labels } = typical;
    const { threshold, target, reached } = chooseThreshold(probabilities, labels, 2);
    expect(reached).toBe(true);
    expect(target).toBeCloseTo(0.9);
    const { coverage, accuracy } = applyThreshold(probabilities, labels, 2, threshold);
    expect(accuracy).toBeGreaterThanOrEqual(target);
    // The next lower threshold keeps too many errors.
    const next = coverageCurve(probabilities, labels, 2).findLast((point) => point.threshold < threshold);
    expect(next?.accuracy).toBeLessThan(target);
    expect(coverage).toBe(0.7);
  });

  it('chooses the lowest confidence when all predictions are right', () => {
    const { probabilities, labels } = predictions(Array.from({ length: 20 }, (_, i) => [0.7 + i / 100, true] as const));
    const { threshold, reached } = chooseThreshold(probabilities, labels, 2);
    expect(threshold).toBeCloseTo(0.7);
    expect(reached).toBe(true);
  });

  it.each([
    [
      'confidence tells nothing about accuracy',
      Array.from({ length: 40 }, (_, i) => [0.6 + i / 1000, i % 4 !== 3] as const),
    ],
    ['there are too few images', [[0.9, true] as const, [0.8, false] as const]],
    ['there are no images', []],
  ])('keeps every prediction when %s', (_, list) => {
    const { probabilities, labels } = predictions(list);
    expect(chooseThreshold(probabilities, labels, 2)).toMatchObject({ threshold: 0, reached: false });
  });
});

describe('applyThreshold', () => {
  it('has accuracy 0 when no prediction is kept', () => {
    const { probabilities, labels } = typical;
    expect(applyThreshold(probabilities, labels, 2, 1)).toEqual({ threshold: 1, coverage: 0, accuracy: 0 });
  });
});
