import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import { stratifiedFolds } from '../../../src/finetuning/head/cross-validation.ts';

describe('stratifiedFolds', () => {
  const labels = Int32Array.from({ length: 50 }, (_, i) => (i < 40 ? 0 : i < 47 ? 1 : 2));
  const folds = stratifiedFolds(labels, 3, seededRandom(1));
  const sizes = (accept: (label: number) => boolean): number[] =>
    [0, 1, 2].map((fold) => folds.filter((other, i) => other === fold && accept(labels[i] ?? -1)).length);

  it('spreads every class evenly, in folds of equal size', () => {
    expect(sizes((label) => label === 0).sort()).toEqual([13, 13, 14]);
    expect(sizes((label) => label === 1).sort()).toEqual([2, 2, 3]);
    expect(sizes((label) => label === 2)).toEqual([1, 1, 1]);
    expect(sizes(() => true).sort()).toEqual([16, 17, 17]);
  });

  it('depends only on the seed', () => {
    expect(stratifiedFolds(labels, 3, seededRandom(1))).toEqual(folds);
    expect(stratifiedFolds(labels, 3, seededRandom(2))).not.toEqual(folds);
  });
});
