import { describe, expect, it } from 'vitest';
import { heldOutParts } from '../../scripts/compare-searches/held-out.ts';
import { mcNemar } from '../../scripts/compare-searches/mcnemar.ts';

describe("McNemar's exact test", () => {
  const of = (won: number, lost: number) => {
    const both = [true, false];
    const first = [...both, ...Array.from({ length: won + lost }, (_, i) => i < won)];
    return mcNemar(first, [...both, ...first.slice(both.length).map((value) => !value)]);
  };

  it.each([
    // scipy.stats.binomtest
    [3, 7, 0.34375],
    [47, 16, 0.00011705541630032],
    [5, 5, 1],
    [0, 0, 1],
  ])('counts the images that only one way has right: %i and %i', (won, lost, p) => {
    expect(of(won, lost)).toMatchObject({ won, lost });
    expect(of(won, lost).p).toBeCloseTo(p, 10);
  });
});

describe('held-out images', () => {
  const file = (label: string, index: number, split?: 'train' | 'test') => ({
    label,
    split,
    content: Buffer.from(`${label} ${index}`),
  });

  it('are the test split where there is one', () => {
    const files = [file('a', 1, 'train'), file('a', 2, 'test')];
    expect(heldOutParts(files, 2)).toEqual([{ training: [files[0]], test: [files[1]] }]);
  });

  it('are each tested once otherwise, with the same share of each class', () => {
    const files = ['a', 'b'].flatMap((label) => Array.from({ length: 6 }, (_, index) => file(label, index)));
    const parts = heldOutParts(files, 3);
    expect(new Set(parts.flatMap(({ test }) => test))).toEqual(new Set(files));
    for (const { training, test } of parts) {
      expect(test.filter(({ label }) => label === 'a')).toHaveLength(2);
      expect(new Set([...training, ...test])).toEqual(new Set(files));
      expect(training).toHaveLength(8);
    }
  });
});
