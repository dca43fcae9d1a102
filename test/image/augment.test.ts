import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { augment, reduceForAugmentation } from '../../src/image/augment.ts';
import { type Augmentation, augmentationSchema } from '../../src/image/augmentation.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { preprocessDecoded, preprocessImage } from '../../src/image/preprocess.ts';
import type { RgbImage } from '../../src/image/resample.ts';
import { SHARED_ABSENT, sharedPath } from '../shared-data.ts';

const OFF: Augmentation = {
  copies: 1,
  horizontalFlip: false,
  verticalFlip: false,
  rotation: 0,
  cropScale: 1,
  brightness: 0,
  contrast: 0,
  noise: 0,
  robust: false,
};
const FIT = { inputSize: [32, 32] as const, resizeMode: 'crop' as const };
const DEFAULTS = augmentationSchema.parse({});

/** An image whose grey at (x, y) is given. */
function grey(width: number, height: number, at: (x: number, y: number) => number): RgbImage {
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, index) => {
    const pixel = Math.floor(index / 3);
    return at(pixel % width, Math.floor(pixel / width));
  });
  return { pixels, width, height };
}

/** An image in which no two places are alike. */
const picture: RgbImage = {
  width: 48,
  height: 48,
  pixels: Uint8Array.from({ length: 48 * 48 * 3 }, (_, index) => {
    const [x, y, channel] = [Math.floor(index / 3) % 48, Math.floor(index / 144), index % 3];
    return [x * 5, y * 5, 255 - x * 2 - y * 3][channel] ?? 0;
  }),
};

function copies(image: RgbImage, options: Partial<Augmentation>, count = 40, seed = 1): Uint8Array[] {
  return Array.from({ length: count }, (_, copy) =>
    augment(image, FIT, { ...OFF, ...options }, { seed, digest: 'a', copy }),
  );
}

/** The grey at each pixel of a copy, which is as grey as its source. */
function greys(pixels: Uint8Array): number[] {
  return Array.from({ length: pixels.length / 3 }, (_, index) => pixels[index * 3] ?? 0);
}

function column(pixels: Uint8Array, x: number): number {
  return greys(pixels)[16 * 32 + x] ?? 0;
}

function differenceOf(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? 0)), 0) / a.length;
}

describe('the same key', () => {
  const copyOf = (key: { seed?: number; digest?: string; copy?: number }) =>
    augment(picture, FIT, { ...DEFAULTS, noise: 0.1 }, { seed: 1, digest: 'a', copy: 0, ...key });

  test('gives the same pixels', () => {
    expect(copyOf({})).toEqual(copyOf({}));
  });

  test.each([{ seed: 2 }, { digest: 'b' }, { copy: 1 }])('and another key (%o) gives others', (key) => {
    expect(copyOf(key)).not.toEqual(copyOf({}));
  });
});

test('with everything off a copy is the resized image', () => {
  const ramp = grey(64, 64, (x) => x * 4);
  for (const pixels of copies(ramp, {}, 3)) {
    expect(pixels).toHaveLength(32 * 32 * 3);
    for (const x of [1, 10, 20, 30]) expect(column(pixels, x)).toBeCloseTo(x * 8 + 2, 0);
  }
});

test('an image of the input size is not changed', () => {
  const image = grey(32, 32, (x, y) => (x * 7 + y * 13) % 256);
  expect(copies(image, {}, 1)).toEqual([image.pixels]);
});

test('an oblong image gives square crops at any place in it', () => {
  const starts = copies(
    grey(64, 32, (x) => x),
    {},
  ).map((pixels) => column(pixels, 0));
  expect(Math.min(...starts)).toBeLessThan(6);
  expect(Math.max(...starts)).toBeGreaterThan(26);
});

test('an input that is not square is filled without distortion', () => {
  const pixels = augment(
    grey(96, 48, (x) => x * 2),
    { ...FIT, inputSize: [24, 48] },
    OFF,
    { seed: 1, digest: 'a', copy: 0 },
  );
  expect(pixels).toHaveLength(24 * 48 * 3);
  expect(
    greys(pixels)
      .slice(0, 48)
      .every((value, x) => Math.abs(value - (x * 4 + 1)) <= 1),
  ).toBe(true);
});

describe('flips', () => {
  test.each([
    { name: 'horizontal', options: { horizontalFlip: true }, image: grey(32, 32, (x) => x * 8) },
    { name: 'vertical', options: { verticalFlip: true }, image: grey(32, 32, (_, y) => y * 8) },
  ])('$name: about half of the copies are exact mirror images, the others exact', ({ options, image }) => {
    const mirrored = grey(32, 32, (x, y) => greys(image.pixels)[(31 - y) * 32 + (31 - x)] ?? 0).pixels;
    const kinds = copies(image, options, 100).map((pixels) =>
      differenceOf(pixels, image.pixels) === 0
        ? 'as it was'
        : differenceOf(pixels, mirrored) === 0
          ? 'mirrored'
          : 'else',
    );
    expect(new Set(kinds)).toEqual(new Set(['as it was', 'mirrored']));
    expect(kinds.filter((kind) => kind === 'mirrored').length).toBeGreaterThan(35);
    expect(kinds.filter((kind) => kind === 'mirrored').length).toBeLessThan(65);
  });
});

describe('rotation', () => {
  test('rotates about the middle, within its range and in both directions', () => {
    // A bright bar across: its right end sinks or rises with the turn.
    const bar = grey(64, 64, (_, y) => (Math.abs(y - 31.5) < 3 ? 255 : 0));
    const angles = copies(bar, { rotation: 30 }).map((pixels) => {
      const center = (x: number) => {
        const values = Array.from({ length: 32 }, (_, y) => greys(pixels)[y * 32 + x] ?? 0);
        return values.reduce((sum, value, y) => sum + value * y, 0) / values.reduce((sum, value) => sum + value, 0);
      };
      return (Math.atan2(center(22) - center(9), 13) * 180) / Math.PI;
    });
    expect(Math.max(...angles)).toBeGreaterThan(20);
    expect(Math.max(...angles)).toBeLessThan(31);
    expect(Math.min(...angles)).toBeLessThan(-20);
    expect(Math.min(...angles)).toBeGreaterThan(-31);
  });

  test('fills the corners with the mirrored image, never with black', () => {
    const bright = grey(48, 48, (x, y) => 150 + ((x + y) % 50));
    for (const pixels of copies(bright, { rotation: 180 })) expect(Math.min(...pixels)).toBeGreaterThanOrEqual(150);
  });
});

test('beyond the border the image is mirrored, and its last row is not repeated', () => {
  const framed = grey(32, 32, (x, y) => (x === 0 || y === 0 || x === 31 || y === 31 ? 255 : 100));
  const corners = copies(framed, { rotation: 60 }).flatMap((pixels) =>
    [0, 31, 32 * 31, 32 * 32 - 1].map((at) => greys(pixels)[at] ?? 0),
  );
  expect(corners.filter((value) => value < 120).length).toBeGreaterThan(corners.length / 2);
});

test('random crops keep at least the given share, and vary', () => {
  const spans = copies(
    grey(64, 64, (x) => x * 4),
    { cropScale: 0.25 },
    100,
  ).map((pixels) => column(pixels, 31) - column(pixels, 0));
  // A quarter of the area is half of the width.
  expect(Math.min(...spans)).toBeGreaterThan(0.5 * 31 * 8 - 8);
  expect(Math.min(...spans)).toBeLessThan(0.6 * 31 * 8);
  expect(Math.max(...spans)).toBeGreaterThan(0.93 * 31 * 8);
});

test('brightness scales all values by the same factor', () => {
  const flat = copies(
    grey(32, 32, () => 100),
    { brightness: 0.3 },
  ).map((pixels) => new Set(pixels));
  expect(flat.every((values) => values.size === 1)).toBe(true);
  const values = flat.flatMap((set) => [...set]);
  expect(Math.min(...values)).toBeGreaterThanOrEqual(70);
  expect(Math.min(...values)).toBeLessThan(80);
  expect(Math.max(...values)).toBeLessThanOrEqual(130);
  expect(Math.max(...values)).toBeGreaterThan(120);
});

test('contrast scales the distance of values from their mean', () => {
  const halves = grey(32, 32, (x) => (x < 16 ? 100 : 140));
  const spreads = copies(halves, { contrast: 0.5 }).map((pixels) => {
    expect((column(pixels, 0) + column(pixels, 31)) / 2).toBeCloseTo(120, 0);
    return column(pixels, 31) - column(pixels, 0);
  });
  expect(Math.min(...spreads)).toBeGreaterThanOrEqual(19);
  expect(Math.min(...spreads)).toBeLessThan(26);
  expect(Math.max(...spreads)).toBeLessThanOrEqual(61);
  expect(Math.max(...spreads)).toBeGreaterThan(54);
});

test('salt-and-pepper noise makes its share of pixels black or white and does not change the others', () => {
  const counts = { black: 0, white: 0, same: 0 };
  for (const pixels of copies(
    grey(32, 32, () => 100),
    { noise: 0.1 },
    20,
  )) {
    for (let at = 0; at < pixels.length; at += 3) {
      const values = [...pixels.subarray(at, at + 3)];
      expect(new Set(values).size).toBe(1);
      if (values[0] === 0) counts.black += 1;
      else if (values[0] === 255) counts.white += 1;
      else if (values[0] === 100) counts.same += 1;
    }
  }
  const total = 20 * 32 * 32;
  expect(counts.black + counts.white + counts.same).toBe(total);
  expect(counts.black / total).toBeCloseTo(0.05, 2);
  expect(counts.white / total).toBeCloseTo(0.05, 2);
});

describe('reducing', () => {
  test.each([
    { of: [300, 200], to: [60, 40] },
    { of: [200, 300], to: [40, 60] },
    { of: [4000, 100], to: [80, 40] },
    { of: [40, 40], to: [40, 40] },
    { of: [50, 32], to: [50, 32] },
    { of: [1, 1], to: [1, 1] },
    { of: [500, 1], to: [2, 1] },
  ])('$of pixels become $to for an input of 32', async ({ of: [width = 0, height = 0], to }) => {
    const reduced = reduceForAugmentation(
      grey(width, height, () => 7),
      FIT,
    );
    expect([reduced.width, reduced.height]).toEqual(to);
    expect(new Set(reduced.pixels)).toEqual(new Set([7]));
    expect(augment(reduced, FIT, DEFAULTS, { seed: 1, digest: 'a', copy: 0 })).toHaveLength(32 * 32 * 3);
  });
});

describe('a copy is fitted as serving fits the image', () => {
  test.each([
    ['stretch', 300, 100],
    ['stretch', 100, 300],
    ['stretch', 300, 20],
    ['stretch', 20, 10],
    ['pad', 300, 100],
    ['pad', 100, 300],
    ['pad', 20, 10],
  ] as const)('%s, %i x %i', async (resizeMode, width, height) => {
    const image = grey(width, height, (x, y) => 40 + Math.round((100 * x) / width + (100 * y) / height));
    const fit = { ...FIT, resizeMode, padColor: [255, 0, 0] as const };
    const copy = augment(reduceForAugmentation(image, fit), fit, OFF, { seed: 1, digest: 'a', copy: 0 });
    const served = await preprocessDecoded(image, { ...fit, cropPct: 1, interpolation: 'bilinear' });
    expect(differenceOf(copy, served)).toBeLessThan(6);
  });

  test('what a copy turns out of a padded image has the colour of the padding', async () => {
    const fit = { ...FIT, resizeMode: 'pad' as const, padColor: [10, 20, 30] as const };
    const options = { ...OFF, rotation: 45 };
    const white = grey(32, 32, () => 255);
    const corners = Array.from({ length: 10 }, (_, copy) => [
      ...augment(white, fit, options, { seed: 1, digest: 'a', copy }).subarray(0, 3),
    ]);
    expect(corners).toContainEqual([10, 20, 30]);
  });
});

describe('options', () => {
  test('have defaults', () => {
    expect(DEFAULTS).toEqual({
      copies: 2,
      horizontalFlip: true,
      verticalFlip: false,
      rotation: 10,
      cropScale: 0.7,
      brightness: 0.2,
      contrast: 0.2,
      noise: 0,
      robust: false,
    });
  });

  test.each([{ copies: -1 }, { copies: 1.5 }, { rotation: 181 }, { crop_scale: 0 }, { noise: 0.6 }, { blur: 1 }])(
    '%o is refused',
    (options) => {
      expect(augmentationSchema.safeParse(options).success).toBe(false);
    },
  );
});

const photos = sharedPath('data', 'photos');
test.skipIf(photos === undefined)(
  `photographs: a copy with everything off is close to what serving prepares${photos === undefined ? `, ${SHARED_ABSENT}` : ''}`,
  async () => {
    const folder = photos ?? '';
    for (const name of readdirSync(folder)
      .filter((file) => file.endsWith('.JPEG'))
      .slice(0, 10)) {
      const bytes = readFileSync(join(folder, name));
      const { width = 0, height = 0 } = await sharp(bytes).metadata();
      const side = Math.min(width, height);
      const square = await sharp(bytes).extract({ left: 0, top: 0, width: side, height: side }).png().toBuffer();
      const fit = { ...FIT, inputSize: [64, 64] as const };
      const reduced = reduceForAugmentation(await decodeImage(square, 10_000_000), fit);
      const copy = augment(reduced, fit, OFF, { seed: 1, digest: name, copy: 0 });
      const served = await preprocessImage(square, { ...fit, cropPct: 1, interpolation: 'bilinear' }, 10_000_000);
      expect(differenceOf(copy, served.pixels), name).toBeLessThan(2.5);
    }
  },
);
