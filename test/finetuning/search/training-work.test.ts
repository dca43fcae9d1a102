import { expect, it } from 'vitest';
import { headWork, type Training } from '../../../src/finetuning/search/training-work.ts';

const TRAINING: Training = {
  ...{ train: 2000, validation: 300, classes: 10, copies: 2, dimension: 500 },
  ...{ hiddenUnits: [], fixed: {}, few: false },
};

it('counts what a training computes: a head that is solved for or trained, and heads and detectors without a class', () => {
  const trained = headWork(TRAINING);
  expect(trained).toMatchObject({ ridge: 0, detectors: 9 });
  const few = headWork({ ...TRAINING, train: 200, validation: 30, few: true });
  expect(few.ridge).toBeGreaterThan(0);
  expect(few.descent).toBeLessThan(trained.descent / 5);
  expect(headWork({ ...TRAINING, classes: 3 }).detectors).toBe(4);
});

it('counts more for copies, hidden layers and epochs', () => {
  const { descent } = headWork(TRAINING);
  expect(headWork({ ...TRAINING, copies: 0 }).descent).toBeLessThan(descent);
  expect(headWork({ ...TRAINING, hiddenUnits: [256] }).descent).toBeGreaterThan(5 * descent);
  expect(headWork({ ...TRAINING, fixed: { epochs: 100 } }).descent).toBeCloseTo(2 * descent);
});
