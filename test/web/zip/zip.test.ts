import { describe, expect, test } from 'vitest';
import { crc32 } from '../../../src/web/zip/crc32.ts';
import { readZip } from '../../../src/web/zip/read.ts';
import { writeZip } from '../../../src/web/zip/write.ts';
import { zipOf } from '../../finetuning/dataset/zip-fixtures.ts';
import { readZip as unpack } from '../../zip-reader.ts';

const blob = (text: string) => new Blob([text]);

async function contents(zip: Blob): Promise<Record<string, string>> {
  const files = await readZip(zip);
  return Object.fromEntries(
    await Promise.all(files.map(async ({ name, read }) => [name, await (await read()).text()])),
  );
}

test('the checksum is the one that zips use', () => {
  // The check value of CRC-32/ISO-HDLC.
  expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
});

describe('a zip of the page', () => {
  const entries = [
    { name: 'red/1.png', content: blob('one') },
    { name: 'grün ☘/2.png', content: blob('') },
  ];

  test('is read by other programs', async () => {
    const zip = await writeZip(entries);
    const files = await unpack(Buffer.from(await zip.arrayBuffer()));
    expect([...files].map(([name, content]) => [name, content.toString()])).toEqual([
      ['red/1.png', 'one'],
      ['grün ☘/2.png', ''],
    ]);
  });

  test('is read by the page', async () => {
    expect(await contents(await writeZip(entries))).toEqual({ 'red/1.png': 'one', 'grün ☘/2.png': '' });
  });

  test('reports its progress', async () => {
    const told: number[] = [];
    await writeZip(entries, (done) => told.push(done));
    expect(told).toEqual([1, 2]);
  });

  test('has at most 4 GB', async () => {
    // Offsets of 32 bits would wrap.
    const large = { size: 3e9, arrayBuffer: async () => new ArrayBuffer(0) } as Blob;
    const both = ['1.png', '2.png'].map((name) => ({ name, content: large }));
    await expect(writeZip(both)).rejects.toThrow('at most 65534 images and 4 GB');
  });
});

describe('a zip of another program', () => {
  test('is read, compressed or not', async () => {
    const zip = await zipOf([
      { name: 'a/1.txt', content: Buffer.from('x'.repeat(1000)) },
      { name: 'b/2.txt', content: Buffer.from('y') },
    ]);
    expect(await contents(new Blob([new Uint8Array(zip)]))).toEqual({ 'a/1.txt': 'x'.repeat(1000), 'b/2.txt': 'y' });
  });

  test.each(['', 'not a zip at all', 'PK'])('that is not a zip is refused: "%s"', async (text) => {
    await expect(readZip(blob(text))).rejects.toThrow('not a zip');
  });

  test('of the zip64 format is refused', async () => {
    const end = new DataView(new ArrayBuffer(22));
    end.setUint32(0, 0x06054b50, true);
    end.setUint16(10, 0xffff, true);
    await expect(readZip(new Blob([end]))).rejects.toThrow('zip64');
  });
});
