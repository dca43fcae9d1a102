import { describe, expect, it } from 'vitest';
import { applyThreshold, chooseThreshold, coverageCurve } from '../../../src/finetuning/head/threshold.ts';

/** Two classes; each answer is class 0, with this confidence, right or wrong. */
function answers(list: readonly (readonly [confidence: number, right: boolean])[]) {
  return {
    probabilities: Float32Array.from(list.flatMap(([confidence]) => [confidence, 1 - confidence])),
    labels: Int32Array.from(list, ([, right]) => (right ? 0 : 1)),
  };
}

/** Sure answers are right, unsure ones half the time. */
const typical = answers([
  ...Array.from({ length: 12 }, (_, i) => [0.8 + i / 100, true] as const),
  ...Array.from({ length: 8 }, (_, i) => [0.6 + i / 100, i % 2 === 0] as const),
]);

describe('coverageCurve', () => {
  it('runs from all answers to the most certain, those of one confidence together', () => {
    const { probabilities, labels } = answers([
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
  it('halves the errors with as many answers as it can', () => {
    const { probabilities, labels } = typical;
    const { threshold, target, reached } = chooseThreshold(probabilities, labels, 2);
    expect(reached).toBe(true);
    expect(target).toBeCloseTo(0.9);
    const { coverage, accuracy } = applyThreshold(probabilities, labels, 2, threshold);
    expect(accuracy).toBeGreaterThanOrEqual(target);
    // One answer more would be too many errors.
    const next = coverageCurve(probabilities, labels, 2).findLast((point) => point.threshold < threshold);
    expect(next?.accuracy).toBeLessThan(target);
    expect(coverage).toBe(0.7);
  });

  it('takes a target of the caller', () => {
    const { probabilities, labels } = typical;
    expect(chooseThreshold(probabilities, labels, 2, 1).threshold).toBeCloseTo(0.8);
    expect(chooseThreshold(probabilities, labels, 2, 0.5).threshold).toBeCloseTo(0.6);
  });

  it('calls unknown what is less certain than anything seen, when all was right', () => {
    const { probabilities, labels } = answers(Array.from({ length: 20 }, (_, i) => [0.7 + i / 100, true] as const));
    const { threshold, reached } = chooseThreshold(probabilities, labels, 2);
    expect(threshold).toBeCloseTo(0.7);
    expect(reached).toBe(true);
  });

  it.each([
    ['certainty says nothing', Array.from({ length: 40 }, (_, i) => [0.6 + i / 1000, i % 4 !== 3] as const)],
    ['there are too few images', [[0.9, true] as const, [0.8, false] as const]],
    ['there are none', []],
  ])('withholds nothing when %s', (_, list) => {
    const { probabilities, labels } = answers(list);
    expect(chooseThreshold(probabilities, labels, 2)).toMatchObject({ threshold: 0, reached: false });
  });
});

describe('applyThreshold', () => {
  it('has no accuracy when nothing is accepted', () => {
    const { probabilities, labels } = typical;
    expect(applyThreshold(probabilities, labels, 2, 1)).toEqual({ threshold: 1, coverage: 0, accuracy: 0 });
  });
});
