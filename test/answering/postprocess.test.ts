import { describe, expect, it } from 'vitest';
import { softmax, topK } from '../../src/answering/postprocess.ts';

describe('softmax', () => {
  it('turns logits into probabilities', () => {
    const [a, b, c] = softmax(Float32Array.of(0, Math.log(2), Math.log(5)));
    expect([a, b, c].map((value) => value?.toFixed(4))).toEqual(['0.1250', '0.2500', '0.6250']);
  });

  it('does not overflow on large logits', () => {
    expect([...softmax(Float32Array.of(1000, 1000, -1000))]).toEqual([0.5, 0.5, 0]);
  });

  it('is softer at a higher temperature', () => {
    const [cold = 0] = softmax(Float32Array.of(2, 0));
    const [hot = 0] = softmax(Float32Array.of(2, 0), 4);
    expect(hot).toBeCloseTo(1 / (1 + Math.exp(-0.5)), 6);
    expect(cold).toBeGreaterThan(hot);
  });
});

describe('topK', () => {
  const probabilities = Float32Array.of(0.125, 0.25, 0.0625, 0.25, 0.3125);

  it('names the best classes, best first', () => {
    expect(topK(probabilities, 2)).toEqual([
      { index: 4, score: 0.3125 },
      { index: 1, score: 0.25 },
    ]);
  });

  it('puts the lower index first among equals, also where the list is cut', () => {
    expect(topK(probabilities, 3).map(({ index }) => index)).toEqual([4, 1, 3]);
    expect(topK(Float32Array.of(0.5, 0.5, 0.5), 2).map(({ index }) => index)).toEqual([0, 1]);
  });

  it('leaves out what is under the threshold, and keeps what is on it', () => {
    expect(topK(probabilities, 5, 0.25).map(({ index }) => index)).toEqual([4, 1, 3]);
    expect(topK(probabilities, 5, 0.9)).toEqual([]);
  });

  it('gives all classes when more are asked for than there are', () => {
    expect(topK(probabilities, 100).map(({ index }) => index)).toEqual([4, 1, 3, 0, 2]);
  });

  it('agrees with sorting everything', () => {
    const scores = Float32Array.from({ length: 1000 }, (_, index) => ((index * 7919) % 331) / 331);
    const sorted = [...scores.entries()].sort(([i, a], [j, b]) => b - a || i - j).slice(0, 20);
    expect(topK(scores, 20).map(({ index }) => index)).toEqual(sorted.map(([index]) => index));
  });
});
