import { expect, it } from 'vitest';
import { headWork, type Training } from '../../../src/finetuning/search/training-work.ts';

const TRAINING: Training = {
  ...{ train: 2000, validation: 300, test: 300, classes: 10, copies: 2, dimension: 500 },
  ...{ hiddenUnits: [], fixed: {}, few: false, tuned: true, epochsShare: 1 },
};

it('counts what a training computes: a head that is solved for or trained, never both, and a detector', () => {
  const trained = headWork(TRAINING);
  expect(trained.ridge).toBe(0);
  const few = headWork({ ...TRAINING, train: 200, validation: 30, few: true });
  expect(few.descent).toBe(0);
  expect(few.ridge).toBeGreaterThan(0);
  expect(headWork({ ...TRAINING, classes: 3 }).detector).toBeLessThan(trained.detector);
});

it('counts the epochs until early stopping, but all of them where no validation image can stop the training', () => {
  const { descent } = headWork(TRAINING);
  expect(headWork({ ...TRAINING, epochsShare: 0.4 }).descent).toBeCloseTo(0.4 * descent);
  const unstopped = { ...TRAINING, validation: 0 };
  expect(headWork({ ...unstopped, epochsShare: 0.4 }).descent).toBe(headWork(unstopped).descent);
});

it('counts the choice of a weight decay only for few images, and only where it is made', () => {
  const small = { ...TRAINING, train: 800, validation: 100 };
  const untuned = headWork({ ...small, tuned: false }).descent;
  expect(headWork(small).descent).toBeGreaterThan(untuned);
  expect(headWork({ ...small, fixed: { weightDecay: 1 } }).descent).toBe(untuned);
  expect(headWork({ ...TRAINING, tuned: false })).toEqual(headWork(TRAINING));
});

it('counts more for copies, hidden layers and epochs', () => {
  const { descent } = headWork(TRAINING);
  expect(headWork({ ...TRAINING, copies: 0 }).descent).toBeLessThan(descent);
  expect(headWork({ ...TRAINING, hiddenUnits: [256] }).descent).toBeGreaterThan(5 * descent);
  expect(headWork({ ...TRAINING, fixed: { epochs: 100 } }).descent).toBeCloseTo(2 * descent);
});
