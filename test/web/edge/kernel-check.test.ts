import { expect, test } from 'vitest';
import { disagreement, samplePixels } from '../../../src/web/edge/kernel-check.ts';

const scores = (...values: number[]) => Float32Array.from(values);

test('a backend may round otherwise', () => {
  expect(disagreement(scores(0.7, 0.2, 0.1), scores(0.705, 0.197, 0.098))).toBeUndefined();
});

test.each([
  ['other scores', scores(0.6, 0.3, 0.1), 'by up to 10.0 points'],
  ['no numbers', scores(0.7, Number.NaN, 0.1), 'some are no numbers'],
  ['fewer scores', scores(0.7, 0.2), 'some are no numbers'],
])('a backend that computes %s is not trusted', (_, computed, words) => {
  expect(disagreement(scores(0.7, 0.2, 0.1), computed)).toContain(words);
});

test('what backends are compared on is the same each time, and uses the range of pixels', () => {
  const pixels = samplePixels(64, 48);
  expect(pixels).toHaveLength(64 * 48 * 3);
  expect(samplePixels(64, 48)).toEqual(pixels);
  expect(Math.max(...pixels)).toBeGreaterThan(220);
  expect(Math.min(...pixels)).toBeLessThan(35);
});
