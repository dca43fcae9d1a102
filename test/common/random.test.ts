import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/common/random.ts';

const take = (seed: number, stream?: number): number[] => {
  const random = seededRandom(seed, stream);
  return Array.from({ length: 5 }, () => random.next());
};

describe('seededRandom', () => {
  it('gives the same sequence only for the same seed and stream', () => {
    expect(take(7)).toEqual(take(7));
    expect(take(7)).not.toEqual(take(8));
    expect(take(7, 0)).not.toEqual(take(7, 1));
    expect(take(1)).not.toEqual(take(1 + 2 ** 32));
  });

  it('is uniform in [0, 1) and normal with mean 0 and variance 1', () => {
    const random = seededRandom(1);
    let sum = 0;
    let normalSum = 0;
    let normalSquares = 0;
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      const value = random.next();
      expect(value >= 0 && value < 1).toBe(true);
      sum += value;
      const normal = random.normal();
      normalSum += normal;
      normalSquares += normal * normal;
    }
    expect(sum / count).toBeCloseTo(0.5, 1);
    expect(normalSum / count).toBeCloseTo(0, 1);
    expect(normalSquares / count).toBeCloseTo(1, 1);
  });

  it('keeps all items when it shuffles', () => {
    const items = seededRandom(3).shuffle(Int32Array.from({ length: 100 }, (_, i) => i));
    expect([...items].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([...items]).not.toEqual(Array.from({ length: 100 }, (_, i) => i));
  });
});
