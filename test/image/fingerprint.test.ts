import sharp, { type Sharp } from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '../../src/image/decode.ts';
import { type Fingerprint, fingerprint } from '../../src/image/fingerprint.ts';

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
