import { expect, test } from 'vitest';
import {
  adaptiveWindow,
  ceilPadding,
  NO_PADDING,
  type Pair,
  samePadding,
  symmetricPadding,
  windowOutput,
} from '../../../src/convert/graph/windows.ts';

test('TensorFlow pads at the end with a stride of 2', () => {
  expect(samePadding([224, 225], [3, 3], [2, 2])).toEqual({ top: 0, bottom: 1, left: 1, right: 1 });
});

test('TensorFlow does not pad when the stride exceeds the kernel', () => {
  expect(samePadding([8, 8], [1, 1], [2, 2])).toEqual(NO_PADDING);
});

test.each([
  [112, 3, 2, 56],
  [56, 3, 2, 28],
  [14, 2, 2, 7],
  [7, 2, 2, 4],
  // The fourth window of 2 would begin after the map.
  [7, 2, 3, 3],
  [6, 2, 3, 2],
])('a ceiling over %i, kernel %i, stride %i, makes %i', (size, kernel, stride, out) => {
  const window = pairsOf(kernel, stride);
  const padding = ceilPadding([size, size], window.kernel, window.stride);
  expect(windowOutput([size, size], { ...window, padding })).toEqual([out, out]);
});

test('an adaptive pool with equal windows is an ordinary pool', () => {
  expect(adaptiveWindow([14, 14], [7, 7])).toMatchObject({ kernel: [2, 2], stride: [2, 2] });
  // Overlapping windows: 0-2, 1-3, 2-4, ...
  expect(adaptiveWindow([8, 8], [7, 7])).toMatchObject({ kernel: [2, 2], stride: [1, 1] });
  expect(adaptiveWindow([5, 9], [1, 3])).toMatchObject({ kernel: [5, 3], stride: [1, 3] });
});

test('an adaptive pool with different windows is refused', () => {
  expect(() => adaptiveWindow([10, 10], [7, 7])).toThrow('a map of 10x10 cannot be pooled evenly to 7x7');
  expect(() => adaptiveWindow([3, 3], [7, 7])).toThrow('3x3');
});

test('a window of 1x7 is padded only left and right', () => {
  const window = { kernel: [1, 7], stride: [1, 1], padding: symmetricPadding([0, 3]) } as const;
  expect(windowOutput([17, 17], window)).toEqual([17, 17]);
});

function pairsOf(kernel: number, stride: number): { kernel: Pair; stride: Pair } {
  return { kernel: [kernel, kernel], stride: [stride, stride] };
}
