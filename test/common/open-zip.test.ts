import { randomBytes } from 'node:crypto';
import { buffer as collect } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { openZip } from '../../src/common/open-zip.ts';
import { zipOf } from '../finetuning/dataset/zip-fixtures.ts';

const source = (bytes: Buffer) => ({
  size: bytes.length,
  read: async (begin: number, end: number) => bytes.subarray(begin, end),
});

test('entries of any length are read', async () => {
  const content = randomBytes(2_500_000);
  const zip = await openZip(
    source(
      await zipOf([
        { name: 'large.bin', content },
        { name: 'empty', content: '' },
      ]),
    ),
  );
  const found = new Map<string, Buffer>();
  for await (const entry of zip.eachEntry()) {
    found.set(entry.fileName, await collect(await zip.openReadStreamPromise(entry)));
  }
  expect(found.get('large.bin')?.equals(content)).toBe(true);
  expect(found.get('empty')?.length).toBe(0);
});

test('a zip that names a place beyond any file is refused, and the process lives', async () => {
  const bytes = await zipOf([{ name: 'a', content: 'x' }], { zip64: true });
  const locator = bytes.indexOf(Buffer.from([0x50, 0x4b, 6, 7]));
  bytes.writeBigUInt64LE(2n ** 63n + 2n ** 62n, locator + 8);
  await expect(openZip(source(bytes))).rejects.toThrow(`but has only ${bytes.length}`);
});
