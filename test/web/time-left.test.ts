import { expect, test } from 'vitest';
import { secondsLeft } from '../../src/web/time-left.ts';

test.each([
  ['nothing before 5 %', 0.04, 60_000, undefined],
  ['nothing before 3 s', 0.9, 2_900, undefined],
  ['the rest at the speed so far', 0.25, 5_000, 15],
  ['nothing more at the end', 1, 5_000, 0],
])('the time left is %s', (_, share, elapsedMs, seconds) => {
  expect(secondsLeft(share, elapsedMs)).toBe(seconds);
});
