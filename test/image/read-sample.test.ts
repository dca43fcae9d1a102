import type { Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { augment, reduceForAugmentation } from '../../src/image/augment.ts';
import { augmentationSchema } from '../../src/image/augmentation.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { fingerprint } from '../../src/image/fingerprint.ts';
import { preprocessDecoded } from '../../src/image/preprocess.ts';
import { readCopies, readSample } from '../../src/image/read-sample.ts';
import { picture, waves } from './pictures.ts';

const MAX_PIXELS = 4_000_000;
const recipe = { inputSize: [32, 32], resizeMode: 'crop', cropPct: 0.875, interpolation: 'bilinear' } as const;
const augmentation = augmentationSchema.parse({});
const keys = [0, 1].map((copy) => ({ seed: 7, digest: 'digest', copy }));

const photo = (): Sharp => picture(300, 200, waves);

/** Every way in which an image is decoded and resized. */
const FILES: readonly (readonly [string, () => Sharp])[] = [
  ['a baseline JPEG', () => photo().jpeg()],
  ['a progressive JPEG', () => photo().jpeg({ progressive: true })],
  ['a PNG', () => photo().png()],
  ['an image smaller than the input', () => picture(20, 10, waves).png()],
  ['a JPEG of more than a megapixel', () => picture(1_300, 900, waves).jpeg()],
];

describe.each(FILES)('%s', (_, file) => {
  it('gives what its pixels give, each step by itself', async () => {
    const bytes = await file().toBuffer();
    const image = await decodeImage(bytes, MAX_PIXELS);
    const { reduced, ...sample } = await readSample(bytes, MAX_PIXELS, { recipe, forCopies: true });
    const { width, height } = image;
    const input = await preprocessDecoded(image, recipe);
    expect(sample).toEqual({ width, height, ...fingerprint(image), input, withoutEnd: false });
    const { pixels } = reduceForAugmentation(image, recipe);
    expect(Buffer.from(reduced?.pixels ?? []).equals(pixels)).toBe(true);
  });

  it('gives the same copies whether its reduced pixels were kept or not', async () => {
    const bytes = await file().toBuffer();
    const reduced = reduceForAugmentation(await decodeImage(bytes, MAX_PIXELS), recipe);
    const expected = keys.map((key) => augment(reduced, recipe, augmentation, key));
    expect(await readCopies(bytes, MAX_PIXELS, { recipe, augmentation, keys })).toEqual(expected);
  });
});

it('is not reduced for copies that nobody makes', async () => {
  const bytes = await photo().jpeg().toBuffer();
  expect(await readSample(bytes, MAX_PIXELS, { recipe, forCopies: false })).not.toHaveProperty('reduced');
});

it('tells a JPEG that lacks its end marker only', async () => {
  const bytes = await photo().jpeg().toBuffer();
  const { withoutEnd, input } = await readSample(bytes.subarray(0, -2), MAX_PIXELS, { recipe, forCopies: false });
  expect(withoutEnd).toBe(true);
  expect(input).toEqual((await readSample(bytes, MAX_PIXELS, { recipe, forCopies: false })).input);
});

it('refuses what is no image, and images of too many pixels', async () => {
  const wanted = { recipe, forCopies: true };
  await expect(readSample(Buffer.from('text'), MAX_PIXELS, wanted)).rejects.toMatchObject({
    code: 'unsupported_image',
  });
  const bytes = await photo().jpeg().toBuffer();
  await expect(readSample(bytes, 1_000, wanted)).rejects.toMatchObject({ code: 'image_too_large' });
});
