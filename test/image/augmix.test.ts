import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/common/random.ts';
import { augment } from '../../src/image/augment.ts';
import { type Augmentation, augmentationOption } from '../../src/image/augmentation.ts';
import { augMix } from '../../src/image/augmix.ts';
import { photo } from './corruptions/photo.ts';

const picture = photo(48, 8);
const mixtures = Array.from({ length: 40 }, (_, seed) => augMix(picture, seededRandom(seed).next));

function difference(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? 0)), 0) / a.length;
}

describe('a mixture', () => {
  test('mostly differs from the picture and from other mixtures, and can still be recognised', () => {
    const changes = mixtures.map((pixels) => difference(pixels, picture.pixels));
    expect(new Set(changes).size).toBeGreaterThan(30);
    expect(changes.toSorted((a, b) => a - b)[20]).toBeLessThan(40);
  });

  test('keeps an even area even', () => {
    const even = { pixels: new Uint8Array(20 * 10 * 3).fill(90), width: 20, height: 10 };
    for (let seed = 0; seed < 20; seed++) {
      const pixels = augMix(even, seededRandom(seed).next);
      expect(new Set(pixels).size).toBe(1);
    }
  });

  test('leaves the picture that it is made of as it was', () => {
    expect(picture.pixels).toEqual(photo(48, 8).pixels);
  });
});

describe('augmentation=robust', () => {
  const fit = { inputSize: [48, 48] as const, resizeMode: 'crop' as const };
  const key = { seed: 1, digest: 'a', copy: 0 };
  const copyWith = (options: Augmentation): Uint8Array => augment(picture, fit, options, key);

  test('is short for the member, beside the defaults', () => {
    expect(augmentationOption.parse('robust')).toEqual({ ...augmentationOption.parse({}), robust: true });
  });

  test('mixes what a copy is without it, the same way for the same key', () => {
    const robust = augmentationOption.parse('robust');
    const [plain, mixed] = [copyWith({ ...robust, robust: false }), copyWith(robust)];
    expect(mixed).not.toEqual(plain);
    expect(mixed).toEqual(copyWith(robust));
    expect(difference(mixed, plain)).toBeLessThan(60);
  });

  test.each(['sturdy', true, { robust: 1 }])('%j is refused', (given) => {
    expect(augmentationOption.safeParse(given).success).toBe(false);
  });
});
