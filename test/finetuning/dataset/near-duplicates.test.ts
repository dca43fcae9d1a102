import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { nearDuplicates } from '../../../src/finetuning/dataset/near-duplicates.ts';

function hashed(name: string, bits: bigint) {
  return { name, pixelDigest: name, differenceHash: bits.toString(16).padStart(32, '0') };
}

/** A hash without a pattern. */
function someBits(index: number): bigint {
  return BigInt(`0x${createHash('md5').update(`${index}`).digest('hex')}`);
}

function names(pairs: readonly (readonly { name: string }[])[]): string[] {
  return pairs.map((pair) => pair.map(({ name }) => name).join(' ')).sort();
}

test('pairs that differ in at most 7 of 128 bits are found, wherever the bits are', () => {
  const bits = someBits(0);
  const flipped = (...positions: readonly number[]) =>
    positions.reduce((value, at) => value ^ (1n << BigInt(at)), bits);
  const images = [
    hashed('a', bits),
    hashed('seven', flipped(0, 20, 40, 60, 80, 100, 120)),
    hashed('eight', flipped(5, 21, 41, 61, 81, 101, 121, 127)),
    hashed('same', bits),
  ];
  expect(names(nearDuplicates(images, 100))).toEqual(['a same', 'a seven', 'seven same']);
});

test.each([0, 1, 2, 3, 4, 5, 6, 7])('a pair is found if only band %i is the same', (band) => {
  const others = [0, 1, 2, 3, 4, 5, 6, 7].filter((other) => other !== band);
  const changed = others.reduce((value, other) => value ^ (1n << BigInt(other * 16 + other)), someBits(0));
  expect(nearDuplicates([hashed('a', someBits(0)), hashed('b', changed)], 100)).toHaveLength(1);
});

test('exact copies are not reported', () => {
  expect(nearDuplicates([hashed('a', 1n), hashed('a', 1n)], 100)).toEqual([]);
});

test('two images that look alike are found among thousands', () => {
  const images = Array.from({ length: 5000 }, (_, index) => hashed(`${index}`, someBits(index)));
  images[4000] = hashed('4000', someBits(10) ^ 5n);
  expect(names(nearDuplicates(images, 100))).toEqual(['10 4000']);
});

test('the search stops at the limit, so that frames of a film cost little', () => {
  const images = Array.from({ length: 5000 }, (_, index) => hashed(`${index}`, BigInt(index % 4)));
  expect(nearDuplicates(images, 100)).toHaveLength(100);
});
