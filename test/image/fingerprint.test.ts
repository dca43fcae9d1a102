import sharp, { type Sharp } from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '../../src/image/decode.ts';
import { type Fingerprint, fingerprint } from '../../src/image/fingerprint.ts';
import type { RgbImage } from '../../src/image/resample.ts';

/** The index of a field along a side, and the number of fields there. */
type Cell = readonly [field: number, fields: number];

/** A picture of soft shapes, as a photo has them; `seed` makes another. */
function photo(seed: number, width = 320, height = 240): Sharp {
  const pixels = Buffer.alloc(width * height * 3);
  for (let at = 0; at < pixels.length; at++) {
    const [x, y] = [(((at / 3) % width) | 0) / width, Math.floor(at / 3 / width) / height];
    const wave = Math.sin(seed + 7 * x + 3 * y * seed) + Math.cos(seed * 2 + 9 * y - 4 * x * seed);
    pixels[at] = 128 + 50 * wave + 10 * (at % 3);
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

async function of(file: Buffer): Promise<Fingerprint> {
  return fingerprint(await decodeImage(file, 1_000_000));
}

/** Bits in which two hashes differ. */
function distance(a: Fingerprint, b: Fingerprint): number {
  const bits = BigInt(`0x${a.differenceHash}`) ^ BigInt(`0x${b.differenceHash}`);
  return [...bits.toString(2)].filter((bit) => bit === '1').length;
}

describe('the pixel digest', () => {
  test('is the same for the same picture in another format', async () => {
    const original = await of(await photo(1).png().toBuffer());
    const rewrapped = await of(
      await photo(1)
        .withExif({ IFD0: { Copyright: 'x' } })
        .webp({ lossless: true })
        .toBuffer(),
    );
    expect(rewrapped).toEqual(original);
    expect(original.pixelDigest).toMatch(/^[0-9a-f]{64}$/);
  });

  test('differs when a single pixel or the shape differs', async () => {
    const flat = { pixels: new Uint8Array(12), width: 2, height: 2 };
    const digest = fingerprint(flat).pixelDigest;
    expect(fingerprint({ ...flat, width: 4, height: 1 }).pixelDigest).not.toBe(digest);
    expect(fingerprint({ ...flat, pixels: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) }).pixelDigest).not.toBe(
      digest,
    );
  });
});

describe('the difference hash', () => {
  test.each([
    ['smaller', () => photo(1).resize(160, 120).png()],
    ['compressed again', () => photo(1).jpeg({ quality: 40 })],
    ['brighter', () => photo(1).linear(1.2, 0).png()],
  ])('hardly changes when the picture is %s', async (_, change) => {
    const [before, after] = [await of(await photo(1).png().toBuffer()), await of(await change().toBuffer())];
    expect(distance(before, after)).toBeLessThanOrEqual(7);
    expect(after.pixelDigest).not.toBe(before.pixelDigest);
  });

  test('differs between pictures', async () => {
    const hashes = await Promise.all([1, 2, 3, 4, 5].map(async (seed) => await of(await photo(seed).png().toBuffer())));
    for (const [index, a] of hashes.entries()) {
      for (const b of hashes.slice(index + 1)) expect(distance(a, b)).toBeGreaterThan(16);
    }
  });

  test('has a bit for each brighter neighbour on the right, then for each below', () => {
    const ramp = (at: (x: number, y: number) => number) =>
      Uint8Array.from({ length: 18 * 18 * 3 }, (_, index) => at(Math.floor(index / 3) % 18, Math.floor(index / 54)));
    const hash = (pixels: Uint8Array) => fingerprint({ pixels, width: 18, height: 18 }).differenceHash;
    expect(hash(ramp((x) => x * 9))).toBe('f'.repeat(16) + '0'.repeat(16));
    expect(hash(ramp((_, y) => y * 9))).toBe('0'.repeat(16) + 'f'.repeat(16));
  });

  test('exists for an image of one pixel', () => {
    expect(fingerprint({ pixels: new Uint8Array(3), width: 1, height: 1 }).differenceHash).toBe('0'.repeat(32));
  });
});

describe('the difference hash of an image of any size', () => {
  /** Mean luma of a field, a pixel at a time; fields of images smaller than the grid share pixels. */
  function meanLuma({ pixels, width, height }: RgbImage, [column, columns]: Cell, [row, rows]: Cell): number {
    const range = (field: number, fields: number, size: number) => {
      const from = Math.min(size - 1, Math.floor((field * size) / fields));
      return { from, to: Math.max(from + 1, Math.floor(((field + 1) * size) / fields)) };
    };
    const [across, down] = [range(column, columns, width), range(row, rows, height)];
    const lumas: number[] = [];
    for (let y = down.from; y < down.to; y++) {
      for (let x = across.from; x < across.to; x++) {
        const [red = 0, green = 0, blue = 0] = pixels.subarray((y * width + x) * 3);
        lumas.push(299 * red + 587 * green + 114 * blue);
      }
    }
    return Math.round(lumas.reduce((sum, luma) => sum + luma, 0) / 1000 / lumas.length);
  }

  /** 64 bits: whether the next field is brighter, to the right or below. */
  function bits(image: RgbImage, right: 0 | 1): string {
    const grid = [8 + right, 9 - right] as const;
    const at = (column: number, row: number) => meanLuma(image, [column, grid[0]], [row, grid[1]]);
    return Array.from({ length: 64 }, (_, index) => [index % 8, Math.floor(index / 8)] as const)
      .map(([column, row]) => (at(column + right, row + 1 - right) > at(column, row) ? 1 : 0))
      .join('');
  }

  test.each([
    [1, 1],
    [3, 2],
    [7, 100],
    [65, 63],
  ])('of %i x %i pixels follows its definition', (width, height) => {
    const pixels = Uint8Array.from({ length: width * height * 3 }, (_, index) => (index * 2_654_435_761) >>> 24);
    const image = { pixels, width, height };
    const expected = BigInt(`0b${bits(image, 1)}${bits(image, 0)}`)
      .toString(16)
      .padStart(32, '0');
    expect(fingerprint(image).differenceHash).toBe(expected);
  });
});
