import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DigestCache } from '../../../src/finetuning/features/digest-cache.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'menagerie-test-'));
  path = join(folder, 'deep', 'features.bin');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
const payloadOf = (value: number) => new Uint8Array(4).fill(value);

describe('a cache by digest', () => {
  test('knows again, after it was closed, what it was given', () => {
    const first = DigestCache.open(path, 4);
    for (let i = 0; i < 100; i++) first.put(digestOf(`image ${i}`), payloadOf(i));
    first.close();
    const second = DigestCache.open(path, 4);
    expect(second.get(digestOf('image 7'))).toEqual(Buffer.from(payloadOf(7)));
    expect(second.get(digestOf('image 99'))).toEqual(Buffer.from(payloadOf(99)));
    expect(second.get(digestOf('another'))).toBeUndefined();
    second.close();
  });

  test('tells when it was used last, if only to read', () => {
    DigestCache.open(path, 4).close();
    utimesSync(path, new Date(0), new Date(0));
    DigestCache.open(path, 4).close();
    expect(Date.now() - statSync(path).mtimeMs).toBeLessThan(60_000);
  });

  test('keeps one record an image', () => {
    const cache = DigestCache.open(path, 4);
    cache.put(digestOf('a'), payloadOf(1));
    cache.put(digestOf('a'), payloadOf(1));
    expect(statSync(path).size).toBe(36);
    cache.close();
  });

  test('drops a record that was cut short, and goes on behind the last whole one', () => {
    const first = DigestCache.open(path, 4);
    first.put(digestOf('a'), payloadOf(1));
    first.close();
    appendFileSync(path, Buffer.alloc(20, 0xff));
    const second = DigestCache.open(path, 4);
    second.put(digestOf('b'), payloadOf(2));
    second.close();
    const third = DigestCache.open(path, 4);
    expect([third.get(digestOf('a')), third.get(digestOf('b'))]).toEqual([payloadOf(1), payloadOf(2)].map(Buffer.from));
    expect(statSync(path).size).toBe(72);
    third.close();
  });

  test('of two that append at the same time, neither ever gets the payload of another image', () => {
    const [one, two] = [DigestCache.open(path, 4), DigestCache.open(path, 4)];
    one.put(digestOf('a'), payloadOf(1));
    two.put(digestOf('b'), payloadOf(2));
    one.put(digestOf('c'), payloadOf(3));
    expect(two.get(digestOf('b'))).toBeUndefined();
    expect(one.get(digestOf('a'))).toEqual(Buffer.from(payloadOf(1)));
    one.close();
    two.close();
  });

  test('refuses a payload of another size', () => {
    const cache = DigestCache.open(path, 4);
    expect(() => cache.put(digestOf('a'), new Uint8Array(5))).toThrow(/5 bytes in a cache of 4/);
    cache.close();
  });
});
