import { expect, test } from 'vitest';
import { RunTimes } from '../../src/serving/run-times.ts';

test('a first run may take minutes', () => {
  expect(new RunTimes().limit('resnet', 16)).toBe(300_000);
});

test('later runs may take many times what the slowest took per image, and at least half a minute', () => {
  const times = new RunTimes();
  times.record('vgg', 1, 400);
  times.record('vgg', 16, 16_000);
  times.record('vgg', 1, 300);
  expect(times.limit('vgg', 4)).toBe(4 * 50 * 1_000);
  times.record('resnet', 1, 20);
  expect(times.limit('resnet', 4)).toBe(30_000);
});
