import { describe, expect, test } from 'vitest';
import { defocusBlur, motionBlur } from '../../../src/image/corruptions/blur.ts';
import { CORRUPTIONS, corrupt, SEVERITIES } from '../../../src/image/corruptions/corrupt.ts';
import type { RgbImage } from '../../../src/image/resample.ts';
import { photo } from './photo.ts';

const input = photo(64, 5);

function grey(width: number, height: number, at: (x: number, y: number) => number): RgbImage {
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, index) => {
    const pixel = Math.floor(index / 3);
    return at(pixel % width, Math.floor(pixel / width));
  });
  return { pixels, width, height };
}

function difference(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? 0)), 0) / a.length;
}

describe.each(CORRUPTIONS)('%s', (corruption) => {
  const at = (severity: (typeof SEVERITIES)[number], key = 'a', image = input) =>
    corrupt(image, { corruption, severity }, key);

  test('changes a picture the more, the higher the severity', async () => {
    const before = Uint8Array.from(input.pixels);
    // Of a random corruption, one draw may be milder than another.
    const changes = await Promise.all(
      SEVERITIES.map(async (severity) => {
        const drawn = await Promise.all(['a', 'b', 'c', 'd'].map((key) => at(severity, key)));
        return drawn.reduce((sum, pixels) => sum + difference(pixels, input.pixels), 0);
      }),
    );
    expect(changes[0]).toBeGreaterThan(0);
    expect(changes).toEqual(changes.toSorted((a, b) => a - b));
    expect(input.pixels).toEqual(before);
  });

  test('gives the same pixels for the same key', async () => {
    expect(await at(3)).toEqual(await at(3));
  });

  test.each([photo(1), photo(7), grey(20, 33, (x) => x), photo(150)])('takes any size of input', async (image) => {
    for (const severity of SEVERITIES) expect(await at(severity, 'a', image)).toHaveLength(image.pixels.length);
  });
});

test.each(['gaussian_noise', 'shot_noise', 'impulse_noise', 'fog', 'motion_blur', 'rotation'] as const)(
  '%s is another for another picture',
  async (corruption) => {
    const made = await Promise.all(['a', 'b', 'c', 'd'].map((key) => corrupt(input, { corruption, severity: 3 }, key)));
    expect(new Set(made.map((pixels) => Buffer.from(pixels).toString('base64'))).size).toBeGreaterThan(1);
  },
);

test.each(['defocus_blur', 'motion_blur', 'rotation', 'pixelate', 'contrast'] as const)(
  '%s leaves an even area as it is, up to its border',
  async (corruption) => {
    const even = grey(40, 40, () => 120);
    for (const severity of SEVERITIES) {
      const pixels = await corrupt(even, { corruption, severity }, 'a');
      for (const value of pixels) expect(Math.abs(value - 120)).toBeLessThanOrEqual(1);
    }
  },
);

test('a point out of focus becomes a disk', () => {
  const blurred = defocusBlur(
    grey(41, 41, (x, y) => (x === 20 && y === 20 ? 255 : 0)),
    4,
    0.1,
  );
  const lit = (x: number, y: number): boolean => (blurred[(y * 41 + x) * 3] ?? 0) > 0;
  expect([lit(20, 20), lit(24, 20), lit(20, 16), lit(22, 23)]).toEqual([true, true, true, true]);
  expect([lit(25, 20), lit(24, 24)]).toEqual([false, false]);
});

test('a moving point becomes a line along the movement', () => {
  const blurred = motionBlur(
    grey(41, 41, (x, y) => (x === 20 && y === 20 ? 255 : 0)),
    5,
    5,
    0,
  );
  const row = Array.from({ length: 41 }, (_, x) => blurred[(20 * 41 + x) * 3] ?? 0);
  expect(row.flatMap((value, x) => (value > 0 ? [x] : []))).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  expect(blurred.filter((value) => value > 0)).toHaveLength(33);
});

test('a large input loses as much of its picture as a small one', async () => {
  const changed = async (side: number) => {
    const image = photo(side);
    return difference(await corrupt(image, { corruption: 'defocus_blur', severity: 4 }, 'a'), image.pixels);
  };
  expect((await changed(448)) / (await changed(224))).toBeCloseTo(1, 1);
});
