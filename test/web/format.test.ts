import { expect, test } from 'vitest';
import { bytes, count, counted, duration, large, median, milliseconds, percent } from '../../src/web/format.ts';

test.each([
  [percent(0), '0%'],
  [percent(0.5), '50.0%'],
  [percent(1), '100%'],
  // 99.99% is not 100%.
  [percent(0.9999), '99.9%'],
  [percent(0.873, 0), '87%'],
  [milliseconds(4.21), '4.2 ms'],
  [milliseconds(180.4), '180 ms'],
  [milliseconds(2_140), '2.1 s'],
  [duration(0.2), '1 s'],
  [duration(200), '3 min'],
  [bytes(5_691_288), '5.7 MB'],
  [bytes(102_469_840), '102 MB'],
  [large(2_846_440), '2.8 M'],
  [count(10_000), '10,000'],
  [counted(1, 'class', 'classes'), '1 class'],
  [counted(2, 'class', 'classes'), '2 classes'],
  [median([3, 1, 2]), 2],
  [median([4, 1, 2, 3]), 2.5],
])('%s', (shown, wanted) => {
  expect(shown).toBe(wanted);
});
