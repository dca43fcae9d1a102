import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { Preprocessing } from '../../src/image/crop.ts';
import { preprocessImage } from '../../src/image/preprocess.ts';
import { cornerViews, enlarged, mirrorView } from '../../src/image/views.ts';

const RECIPE = { inputSize: [28, 28], resizeMode: 'crop', cropPct: 1, interpolation: 'bilinear' } as const;

/** A PNG whose red is the column and whose green is the row. */
const ramp = (width: number, height: number) =>
  sharp(
    Uint8Array.from({ length: width * height * 3 }, (_, index) => {
      const pixel = Math.floor(index / 3);
      return [pixel % width, Math.floor(pixel / width), 0][index % 3] ?? 0;
    }),
    { raw: { width, height, channels: 3 } },
  )
    .png()
    .toBuffer();

const red = (pixels: Uint8Array, x: number, y: number): number => pixels[(y * 28 + x) * 3] ?? 0;
const green = (pixels: Uint8Array, x: number, y: number): number => pixels[(y * 28 + x) * 3 + 1] ?? 0;

test('a mirrored view has its columns in reverse', () => {
  expect([...mirrorView(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), 2)]).toEqual([
    4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9,
  ]);
});

test('the corners are those of a view of 8/7 of the input', async () => {
  const larger = await preprocessImage(await ramp(32, 32), enlarged(RECIPE), 10_000);
  const corners = cornerViews(larger.pixels, RECIPE);
  expect(corners.map((pixels) => [red(pixels, 0, 0), green(pixels, 0, 0)])).toEqual([
    [0, 0],
    [4, 0],
    [0, 4],
    [4, 4],
  ]);
  for (const pixels of corners) {
    expect(pixels).toHaveLength(28 * 28 * 3);
    expect([red(pixels, 27, 27) - red(pixels, 0, 0), green(pixels, 27, 27) - green(pixels, 0, 0)]).toEqual([27, 27]);
  }
});

test('where the model sees the middle of a photo, the corners have the scale of the input and reach beyond it', async () => {
  const recipe: Preprocessing = { ...RECIPE, cropPct: 0.7 };
  const photo = await ramp(40, 40);
  const [input, larger] = await Promise.all([
    preprocessImage(photo, recipe, 10_000),
    preprocessImage(photo, enlarged(recipe), 10_000),
  ]);
  const [corner = new Uint8Array()] = cornerViews(larger.pixels, recipe);
  expect([red(input.pixels, 0, 0), red(input.pixels, 27, 0)]).toEqual([6, 33]);
  expect([red(corner, 0, 0), red(corner, 27, 0)]).toEqual([4, 31]);
});

test.each(['stretch', 'pad'] as const)('a model that takes photos by %s gets corners too', async (resizeMode) => {
  const recipe: Preprocessing = { ...RECIPE, inputSize: [14, 28], resizeMode };
  const larger = await preprocessImage(await ramp(50, 20), enlarged(recipe), 10_000);
  expect(cornerViews(larger.pixels, recipe).map(({ length }) => length)).toEqual(new Array(4).fill(14 * 28 * 3));
});
