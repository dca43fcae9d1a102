import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { modelCrop, type Preprocessing, resizedTo } from '../../src/image/crop.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { preprocessDecoded, preprocessImage } from '../../src/image/preprocess.ts';
import { resample } from '../../src/image/resample.ts';
import { SHARED_ABSENT, sharedPath } from '../shared-data.ts';
import { picture, redOverBlue, waves } from './pictures.ts';

const MAX_PIXELS = 50_000_000;
const recipe = (size: number, cropPct = 1, interpolation: Preprocessing['interpolation'] = 'bilinear') => ({
  inputSize: [size, size] as const,
  resizeMode: 'crop' as const,
  cropPct,
  interpolation,
});
const prepare = (bytes: Uint8Array, how: Preprocessing) => preprocessImage(bytes, how, MAX_PIXELS);

/** Mean difference in grey levels. */
function distance(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / a.length;
}

/** The same preparation by Pillow's arithmetic, which `resample` has bit for bit. */
async function byPillow(bytes: Uint8Array, size: number, cropPct: number, kernel: 'bilinear' | 'bicubic' | 'lanczos') {
  const image = await decodeImage(bytes, MAX_PIXELS);
  const side = Math.floor(size / cropPct);
  const [width, height] =
    image.width <= image.height
      ? [side, Math.floor((side * image.height) / image.width)]
      : [Math.floor((side * image.width) / image.height), side];
  // Python rounds halves to even numbers.
  const corner = (whole: number) => {
    const half = (whole - size) / 2;
    return half % 1 === 0 ? half : 2 * Math.round(half / 2);
  };
  const window = { left: corner(width), top: corner(height), width: size, height: size };
  return resample(image, width, height, window, kernel);
}

describe('preprocessImage', () => {
  it('gives height x width x 3 bytes, and the size and format of the upright original', async () => {
    const file = await picture(120, 80, waves).jpeg().toBuffer();
    const image = await prepare(file, { ...recipe(64, 0.9, 'bicubic'), inputSize: [48, 64] });
    expect(image.pixels).toBeInstanceOf(Uint8Array);
    expect(image.pixels).toHaveLength(48 * 64 * 3);
    expect(image).toMatchObject({ width: 120, height: 80, format: 'jpeg' });
  });

  it('crops the middle', async () => {
    // Three bands; only the middle one can reach a square crop.
    const file = await picture(300, 100, (x) => (x >= 100 && x < 200 ? [0, 255, 0] : [255, 0, 0]))
      .png()
      .toBuffer();
    const { pixels } = await prepare(file, recipe(50));
    const middle = pixels.subarray((25 * 50 + 3) * 3, (25 * 50 + 47) * 3);
    expect(middle.every((value, i) => value === (i % 3 === 1 ? 255 : 0))).toBe(true);
  });

  it.each([
    ['much wider than the input', 300, 100],
    ['wider, and shrunk on one side only', 300, 20],
    ['smaller than the input', 30, 10],
    ['a strip', 2000, 2],
  ])('stretches a picture %s, so that all of it is seen', async (_, width, height) => {
    // Red, green and blue bands from left to right.
    const band = (x: number, index: number) => (Math.floor((3 * x) / width) === index ? 255 : 0);
    const file = await picture(width, height, (x) => [band(x, 0), band(x, 1), band(x, 2)])
      .png()
      .toBuffer();
    const { pixels } = await prepare(file, { ...recipe(48), resizeMode: 'stretch' });
    for (const [column, colour] of [
      [8, [255, 0, 0]],
      [24, [0, 255, 0]],
      [40, [0, 0, 255]],
    ] as const) {
      for (const row of [0, 24, 47]) {
        const at = (row * 48 + column) * 3;
        expect([...pixels.subarray(at, at + 3)]).toEqual(colour);
      }
    }
  });

  it.each([
    ['wide', 200, 100, [12, 24]],
    ['tall', 100, 200, [24, 12]],
    ['small and wide', 20, 10, [12, 24]],
    ['a strip', 2000, 2, [23, 24]],
  ] as const)('pads a picture (%s) with its colour, so that all of it is seen', async (_, width, height, first) => {
    const file = await picture(width, height, () => [0, 255, 0])
      .png()
      .toBuffer();
    const grey = [114, 114, 114] as const;
    const { pixels } = await prepare(file, { ...recipe(48), resizeMode: 'pad', padColor: grey });
    const at = (row: number, column: number) => [...pixels.subarray((row * 48 + column) * 3).subarray(0, 3)];
    const [row, column] = first;
    expect(at(0, 0)).toEqual(grey);
    expect(at(47, 47)).toEqual(grey);
    expect(at(row, column)).toEqual([0, 255, 0]);
    expect(at(row > column ? row : row - 1, row > column ? column - 1 : column)).toEqual(grey);
  });

  it('pads with black if no colour is given, and crops the padded picture by crop_pct', async () => {
    const file = await picture(200, 100, () => [0, 255, 0])
      .png()
      .toBuffer();
    // Resized to 80 x 40; the input is the middle 40 x 40.
    const { pixels } = await prepare(file, { ...recipe(40, 0.5), resizeMode: 'pad' });
    expect(pixels.every((value, index) => value === (index % 3 === 1 ? 255 : 0))).toBe(true);
    const whole = await prepare(file, { ...recipe(40), resizeMode: 'pad' });
    expect([...whole.pixels.subarray(0, 3)]).toEqual([0, 0, 0]);
  });

  it('shows less of the picture the smaller crop_pct is', async () => {
    const frame = picture(100, 100, (x, y) =>
      Math.min(x, y) < 12 || Math.max(x, y) >= 88 ? [255, 255, 255] : [0, 0, 0],
    );
    const file = await frame.png().toBuffer();
    const whole = await prepare(file, recipe(40, 1));
    const cropped = await prepare(file, recipe(40, 0.7));
    expect(whole.pixels[0]).toBe(255);
    expect(Math.max(...cropped.pixels)).toBe(0);
  });

  it('gives a photo that is stored rotated the same pixels as the upright one', async () => {
    const upright = await picture(90, 150, redOverBlue(150)).png().toBuffer();
    const lying = await sharp(upright).rotate(270).withMetadata({ orientation: 6 }).png().toBuffer();
    const [expected, turned] = await Promise.all([prepare(upright, recipe(32)), prepare(lying, recipe(32))]);
    expect([turned.width, turned.height]).toEqual([90, 150]);
    expect(distance(turned.pixels, expected.pixels)).toBeLessThan(0.5);
  });

  it.each([
    ['mirrored', 2, (image: Sharp) => image.flop()],
    ['upside down', 3, (image: Sharp) => image.rotate(180)],
    ['upside down and mirrored', 4, (image: Sharp) => image.flip()],
  ])('prepares a photo that was stored %s as the upright one', async (_how, orientation, store) => {
    const upright = await picture(150, 90, (x, y) => [x, y, 0])
      .png()
      .toBuffer();
    const stored = await store(sharp(upright)).withMetadata({ orientation }).png().toBuffer();
    const [expected, righted] = await Promise.all([prepare(upright, recipe(32)), prepare(stored, recipe(32))]);
    expect(distance(righted.pixels, expected.pixels)).toBeLessThan(0.5);
  });

  it.each(['stretch', 'pad'] as const)('gives a rotated photo the same pixels in mode %s', async (resizeMode) => {
    for (const [width, height] of [
      [200, 90],
      [200, 20],
      [30, 12],
    ] as const) {
      const upright = await picture(width, height, redOverBlue(height)).png().toBuffer();
      const lying = await sharp(upright).rotate(270).withMetadata({ orientation: 6 }).png().toBuffer();
      const how = { ...recipe(64), inputSize: [32, 64] as const, resizeMode };
      const [expected, turned] = await Promise.all([prepare(upright, how), prepare(lying, how)]);
      expect(distance(turned.pixels, expected.pixels)).toBeLessThan(0.5);
    }
  });

  it('gives a large photo the same pixels in every orientation', async () => {
    const upright = picture(1500, 1800, (x, y) => waves(x / 20, y / 20));
    const stored = upright.clone().rotate(270).withMetadata({ orientation: 6 });
    const [expected, turned] = await Promise.all(
      [upright, stored].map(async (image) => prepare(await image.jpeg({ quality: 95 }).toBuffer(), recipe(64))),
    );
    expect(distance(turned?.pixels ?? new Uint8Array(), expected?.pixels ?? new Uint8Array())).toBeLessThan(3);
  });

  it.each([
    [1, 1],
    [5000, 1],
    [1, 5000],
    [3, 700],
    [7, 5],
  ])('takes an image of %i x %i', async (width, height) => {
    const file = await picture(width, height, () => [10, 200, 90])
      .png()
      .toBuffer();
    for (const how of [recipe(64), recipe(224, 0.875, 'bicubic'), recipe(32, 1, 'nearest')]) {
      const image = await prepare(file, how);
      expect(image.pixels).toHaveLength(how.inputSize[0] ** 2 * 3);
      expect([...image.pixels.subarray(0, 3)]).toEqual([10, 200, 90]);
      expect([image.width, image.height]).toEqual([width, height]);
    }
  });

  it('cuts a very long image around its middle', async () => {
    const file = await picture(5000, 1, (x) => (x >= 2490 && x < 2510 ? [0, 0, 255] : [255, 0, 0]))
      .png()
      .toBuffer();
    const { pixels } = await prepare(file, recipe(16));
    expect([...pixels.subarray(0, 3)]).toEqual([0, 0, 255]);
    const lying = await sharp(file).withMetadata({ orientation: 6 }).png().toBuffer();
    expect([...(await prepare(lying, recipe(16))).pixels.subarray(0, 3)]).toEqual([0, 0, 255]);
  });

  it.each(['jpeg', 'png', 'webp', 'gif', 'avif'] as const)(
    'refuses a tall %s whose last rows are missing, though the crop needs none of them',
    async (format) => {
      const file = await picture(100, 300, waves).toFormat(format).toBuffer();
      const cut = prepare(file.subarray(0, Math.floor(file.length * 0.93)), recipe(32));
      await expect(cut).rejects.toMatchObject({ code: 'corrupt_image' });
    },
  );
});

describe('the pixels are equal to those of Pillow and torchvision', () => {
  it.each(['bilinear', 'bicubic', 'lanczos'] as const)(
    'bit for bit where an image is enlarged by %s',
    async (kernel) => {
      const file = await picture(57, 40, waves).png().toBuffer();
      const { pixels } = await prepare(file, recipe(96, 0.875, kernel));
      expect(Buffer.compare(pixels, await byPillow(file, 96, 0.875, kernel))).toBe(0);
    },
  );

  it('bit for bit where nothing is resized', async () => {
    const file = await picture(64, 64, waves).png().toBuffer();
    const { pixels } = await prepare(file, recipe(64));
    expect(Buffer.compare(pixels, (await decodeImage(file, MAX_PIXELS)).pixels)).toBe(0);
  });

  const photos = sharedPath('data', 'photos');
  it.skipIf(photos === undefined)(
    `within a grey level on photos${photos === undefined ? ` (${SHARED_ABSENT})` : ''}`,
    async () => {
      const files = readdirSync(photos ?? '')
        .filter((name) => name.endsWith('.JPEG'))
        .slice(0, 8)
        .map((name) => readFileSync(join(photos ?? '', name)));
      for (const [size, cropPct, kernel] of [
        [64, 1, 'bilinear'],
        [224, 0.875, 'bicubic'],
      ] as const) {
        const distances = await Promise.all(
          files.map(async (file) => {
            const { pixels } = await prepare(file, recipe(size, cropPct, kernel));
            return distance(pixels, await byPillow(file, size, cropPct, kernel));
          }),
        );
        expect(distances.reduce((sum, value) => sum + value, 0) / distances.length).toBeLessThan(0.8);
        expect(Math.max(...distances)).toBeLessThan(1.5);
      }
    },
  );

  it('within 1.5 grey levels where a large JPEG is decoded at a fraction of its size', async () => {
    const file = await picture(2000, 1500, (x, y) => waves(x / 20, y / 20))
      .jpeg({ quality: 92 })
      .toBuffer();
    const { pixels } = await prepare(file, recipe(64));
    expect(distance(pixels, await byPillow(file, 64, 1, 'bilinear'))).toBeLessThan(1.5);
  });
});

describe('an image that is decoded already', () => {
  it.each([
    ['shrunk', 300, 200, recipe(64)],
    ['cropped', 300, 200, recipe(64, 0.875, 'bicubic')],
    ['enlarged', 40, 60, recipe(64)],
    ['very long', 1200, 40, recipe(32)],
    ['stretched', 300, 20, { ...recipe(64), resizeMode: 'stretch' }],
    ['padded', 300, 200, { ...recipe(64), resizeMode: 'pad' }],
  ] as const)('becomes the pixels that serving makes of its file, bit for bit (%s)', async (_, width, height, how) => {
    const file = await picture(width, height, (x, y) => waves(x / 9, y / 7))
      .jpeg({ quality: 90 })
      .toBuffer();
    const decoded = await decodeImage(file, MAX_PIXELS);
    expect(distance(await preprocessDecoded(decoded, how), (await prepare(file, how)).pixels)).toBe(0);
  });
});

describe.each(['stretch', 'pad'] as const)(
  'an image of which a side becomes a quarter or less, in mode %s',
  (resizeMode) => {
    it('is resized bit for bit as Pillow does', async () => {
      const file = await picture(600, 200, waves).png().toBuffer();
      const { pixels } = await prepare(file, { ...recipe(48), resizeMode, padColor: [1, 2, 3] });
      const height = resizeMode === 'stretch' ? 48 : 16;
      const window = { left: 0, top: 0, width: 48, height };
      const expected = resample(await decodeImage(file, MAX_PIXELS), 48, height, window, 'bilinear');
      const top = (48 - height) / 2;
      expect(Buffer.compare(pixels.subarray(top * 48 * 3, (top + height) * 48 * 3), expected)).toBe(0);
    });
  },
);

it.each([32, 128])('a crop for an input of %i pixels is bit for bit that of Pillow', async (size) => {
  const file = await picture(401, 500, waves).png().toBuffer();
  const { pixels } = await prepare(file, recipe(size, 0.875));
  expect(Buffer.compare(pixels, await byPillow(file, size, 0.875, 'bilinear'))).toBe(0);
});

describe('resizedTo', () => {
  it.each([
    ['a longer side is rounded down', [401, 500], 224, 0.875, { width: 256, height: 319 }, { left: 16, top: 48 }],
    [
      'a half becomes the even number below',
      [500, 401],
      222,
      0.875,
      { width: 315, height: 253 },
      { left: 46, top: 16 },
    ],
    ['the side before a crop is rounded down', [300, 300], 224, 0.95, { width: 235, height: 235 }, { left: 6, top: 6 }],
    [
      'a quotient may be a little less than whole',
      [300, 300],
      224,
      224 / 235,
      { width: 235, height: 235 },
      { left: 6, top: 6 },
    ],
  ] as const)('%s, as with torchvision', (_, [width, height], side, cropPct, size, corner) => {
    const resized = resizedTo({ width, height }, recipe(side, cropPct));
    expect(resized).toMatchObject({ ...size, crop: corner });
  });
});

describe('modelCrop', () => {
  it.each([
    ['a wide photo', { width: 300, height: 100 }, recipe(50), { left: 100, top: 0, width: 100, height: 100 }],
    ['a tall photo', { width: 100, height: 160 }, recipe(50), { left: 0, top: 30, width: 100, height: 100 }],
    ['a margin', { width: 400, height: 400 }, recipe(80, 0.8), { left: 40, top: 40, width: 320, height: 320 }],
    ['a photo that is enlarged', { width: 20, height: 10 }, recipe(40), { left: 5, top: 0, width: 10, height: 10 }],
    ['a strip', { width: 2000, height: 10 }, recipe(40), { left: 995, top: 0, width: 10, height: 10 }],
    [
      'a stretched strip',
      { width: 2000, height: 10 },
      { ...recipe(40), resizeMode: 'stretch' as const },
      { left: 0, top: 0, width: 2000, height: 10 },
    ],
    [
      'a padded photo, with the padding',
      { width: 300, height: 100 },
      { ...recipe(60), resizeMode: 'pad' as const },
      { left: 0, top: -100, width: 300, height: 300 },
    ],
  ])('%s', (_, size, how, crop) => {
    expect(modelCrop(size, how)).toEqual(crop);
  });

  it('is the part that the pixels come from', async () => {
    const size = { width: 320, height: 200 };
    const { left, top, width, height } = modelCrop(size, recipe(64, 0.8));
    const inside = (x: number, y: number) => x >= left && x < left + width && y >= top && y < top + height;
    const file = await picture(size.width, size.height, (x, y) => (inside(x, y) ? [0, 255, 0] : [255, 0, 0]))
      .png()
      .toBuffer();
    const { pixels } = await prepare(file, recipe(64, 0.8));
    const green = pixels.filter((_, index) => index % 3 === 1);
    expect(green.filter((value) => value < 128)).toHaveLength(0);
  });
});
