import { expect, it } from 'vitest';
import { acceptingThreshold, separationOf } from '../../../src/finetuning/novelty/separation.ts';

it('is perfect when every unknown image has a higher score', () => {
  expect(separationOf(Float32Array.of(1, 2, 3), Float32Array.of(4, 5))).toEqual({ auroc: 1, falsePositives: 0 });
});

it('counts pairs in the wrong order, and equal scores as half', () => {
  const { auroc, falsePositives } = separationOf(Float32Array.of(1, 2, 3, 4), Float32Array.of(2, 5));
  expect(auroc).toBe((1.5 + 4) / 8);
  // All known images are accepted up to 4, and with them the unknown one of score 2.
  expect(falsePositives).toBe(0.5);
});

it('accepts 95 of 100 images', () => {
  const scores = Float32Array.from({ length: 100 }, (_, index) => 99 - index);
  expect(scores.filter((score) => score <= acceptingThreshold(scores))).toHaveLength(95);
});
