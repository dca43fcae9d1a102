import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DigestCache, type SharedRecords } from '../../../src/finetuning/features/digest-cache.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'menagerie-test-'));
  path = join(folder, 'deep', 'features.bin');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
const payloadOf = (value: number) => new Uint8Array(4).fill(value);

/** Puts a record as another process would. */
function put(text: string, value: number): void {
  const cache = DigestCache.open(path, 4);
  expect(cache.put(digestOf(text), payloadOf(value))).toBe(true);
  cache.close();
}

/** The values of a, b and c for a process that opens the file now. */
function known(): Record<string, Uint8Array> {
  const cache = DigestCache.open(path, 4);
  const found = ['a', 'b', 'c'].flatMap((text) => {
    const payload = cache.get(digestOf(text));
    return payload === undefined ? [] : [[text, new Uint8Array(payload)]];
  });
  cache.close();
  return Object.fromEntries(found);
}

describe('a cache by digest', () => {
  test('has the values after it was closed and opened again', () => {
    const first = DigestCache.open(path, 4);
    for (let i = 0; i < 100; i++) first.put(digestOf(`image ${i}`), payloadOf(i));
    first.close();
    const second = DigestCache.open(path, 4);
    expect(second.get(digestOf('image 7'))).toEqual(Buffer.from(payloadOf(7)));
    expect(second.get(digestOf('image 99'))).toEqual(Buffer.from(payloadOf(99)));
    expect(second.get(digestOf('another'))).toBeUndefined();
    second.close();
  });

  test('shows when it was last used, also for reading', () => {
    DigestCache.open(path, 4).close();
    utimesSync(path, new Date(0), new Date(0));
    DigestCache.open(path, 4).close();
    expect(Date.now() - statSync(path).mtimeMs).toBeLessThan(60_000);
  });

  test('finds the whole records behind one that was cut short', () => {
    put('a', 1);
    truncateSync(path, statSync(path).size - 1);
    put('b', 2);
    put('c', 3);
    expect(known()).toEqual({ b: payloadOf(2), c: payloadOf(3) });
  });

  test('finds the whole records behind garbage, also where it fills more than is read at once', () => {
    put('a', 1);
    appendFileSync(path, randomBytes(3_000_000));
    put('b', 2);
    expect(known()).toEqual({ a: payloadOf(1), b: payloadOf(2) });
  });

  test('ignores a record with a flipped bit, wherever it is', () => {
    put('a', 1);
    const whole = readFileSync(path);
    for (let position = 0; position < whole.length; position++) {
      const damaged = Buffer.from(whole);
      damaged[position] = (damaged[position] ?? 0) ^ 1;
      writeFileSync(path, damaged);
      expect(known()).toEqual({});
    }
  });

  test('ignores what was overwritten since it was opened', () => {
    put('a', 1);
    const cache = DigestCache.open(path, 4);
    writeFileSync(path, randomBytes(48));
    expect(cache.get(digestOf('a'))).toBeUndefined();
    cache.close();
  });

  test('has the records of several processes that append at the same time', () => {
    const [one, two] = [DigestCache.open(path, 4), DigestCache.open(path, 4)];
    one.put(digestOf('a'), payloadOf(1));
    two.put(digestOf('b'), payloadOf(2));
    one.put(digestOf('c'), payloadOf(3));
    one.close();
    two.close();
    expect(known()).toEqual({ a: payloadOf(1), b: payloadOf(2), c: payloadOf(3) });
  });

  test('keeps all that another machine has shared together with a record, for everybody with this file', async () => {
    const together = new Map(['a', 'b'].map((text, value) => [digestOf(text), Buffer.from(payloadOf(value))]));
    let isGiven = false;
    const shared: SharedRecords = {
      add: () => {},
      find: async (digest, keep) => {
        if (isGiven) return undefined;
        isGiven = true;
        keep(together);
        return together.get(digest);
      },
    };
    const [one, two] = [DigestCache.open(path, 4, shared), DigestCache.open(path, 4, shared)];
    expect(await one.find(digestOf('a'))).toEqual(together.get(digestOf('a')));
    expect(one.get(digestOf('b'))).toEqual(together.get(digestOf('b')));
    expect(await two.find(digestOf('b'))).toEqual(together.get(digestOf('b')));
    one.close();
    two.close();
    expect(known()).toEqual({ a: payloadOf(0), b: payloadOf(1) });
  });

  test('keeps nothing where no file can be made, and says so', () => {
    writeFileSync(join(folder, 'deep'), 'not a folder');
    const cache = DigestCache.open(path, 4);
    expect(cache.put(digestOf('a'), payloadOf(1))).toBe(false);
    expect(cache.get(digestOf('a'))).toBeUndefined();
    cache.close();
  });

  test.runIf(existsSync('/dev/full'))('keeps nothing on a full disk, and says so', () => {
    const cache = DigestCache.open('/dev/full', 4);
    expect(cache.put(digestOf('a'), payloadOf(1))).toBe(false);
    cache.close();
  });

  test('writes nothing once it is closed: the next file gets the number of its own', () => {
    const cache = DigestCache.open(path, 4);
    cache.close();
    const next = openSync(join(folder, 'next'), 'a+');
    expect(cache.put(digestOf('a'), payloadOf(1))).toBe(false);
    closeSync(next);
    expect(readFileSync(join(folder, 'next'))).toHaveLength(0);
  });

  test('refuses a payload of another size', () => {
    const cache = DigestCache.open(path, 4);
    expect(() => cache.put(digestOf('a'), new Uint8Array(5))).toThrow(/5 bytes in a cache of 4/);
    cache.close();
  });
});
