import { describe, expect, it } from 'vitest';
import { topK } from '../../src/answering/postprocess.ts';

describe('topK', () => {
  const probabilities = Float32Array.of(0.125, 0.25, 0.0625, 0.25, 0.3125);

  it('returns the most probable classes, most probable first', () => {
    expect(topK(probabilities, 2)).toEqual([
      { index: 4, score: 0.3125 },
      { index: 1, score: 0.25 },
    ]);
  });

  it('puts the lower index first among equals, also where the list is cut', () => {
    expect(topK(probabilities, 3).map(({ index }) => index)).toEqual([4, 1, 3]);
    expect(topK(Float32Array.of(0.5, 0.5, 0.5), 2).map(({ index }) => index)).toEqual([0, 1]);
  });

  it('leaves out classes below the threshold, and keeps those at it', () => {
    expect(topK(probabilities, 5, 0.25).map(({ index }) => index)).toEqual([4, 1, 3]);
    expect(topK(probabilities, 5, 0.9)).toEqual([]);
  });

  it('returns all classes when there are fewer than asked for', () => {
    expect(topK(probabilities, 100).map(({ index }) => index)).toEqual([4, 1, 3, 0, 2]);
  });

  it.each([20, 500])('agrees with sorting everything, for %i classes', (k) => {
    const scores = Float32Array.from({ length: 1000 }, (_, index) => ((index * 7919) % 331) / 331);
    const sorted = [...scores.entries()].sort(([i, a], [j, b]) => b - a || i - j).slice(0, k);
    expect(topK(scores, k).map(({ index }) => index)).toEqual(sorted.map(([index]) => index));
  });

  it('orders all of 21,841 classes without holding up the event loop', () => {
    const rising = Float32Array.from({ length: 21_841 }, (_, index) => index / 21_841);
    const start = process.cpuUsage();
    expect(topK(rising, 21_841)[0]?.index).toBe(21_840);
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(2_000);
  });
});
