import { afterEach, describe, expect, test } from 'vitest';
import { openArchive } from '../../../src/finetuning/dataset/archive.ts';
import { ARCHIVE_LIMITS, type ArchiveLimits, type ImageSource } from '../../../src/finetuning/dataset/image-source.ts';
import { fileOf, patched, swapped, zipOf } from './zip-fixtures.ts';

let source: ImageSource | undefined;
afterEach(async () => {
  await source?.close();
  source = undefined;
});

async function opened(zip: Buffer, limits: Partial<ArchiveLimits> = {}): Promise<ImageSource> {
  source = await openArchive(fileOf(zip), { ...ARCHIVE_LIMITS, ...limits });
  return source;
}

/** Opens the zip and reads its first file. */
async function firstFile(zip: Buffer): Promise<Buffer> {
  const { files, read } = await opened(zip);
  const [file] = files;
  if (file === undefined) throw new Error('the zip holds no file');
  return await read(file);
}

const twoImages = () =>
  zipOf([
    { name: 'cat/1.jpg', content: 'first '.repeat(100) },
    { name: 'dog/2.jpg', content: 'second '.repeat(100) },
  ]);

describe('names', () => {
  test.each([
    ['climbs', '../xx/1.jpg'],
    ['climbs from within', 'a/../../jpg'],
    ['climbs by backslashes', '..\\xx\\1jpg'],
    ['is absolute', '/etc/passwd'],
    ['begins with a drive', 'C:\\win.jpg'],
    ['names a share', '\\\\host\\jpg'],
    ['holds a NUL', 'cat\0/01.jpg'],
  ])('a name that %s is refused before anything is read', async (_, name) => {
    const stand = 'x'.repeat(name.length);
    const zip = swapped(await zipOf([{ name: stand, content: 'x' }]), stand, name);
    await expect(opened(zip)).rejects.toMatchObject({ code: 'archive_unsafe', status: 422, context: { entry: name } });
  });

  test('backslashes separate folders, as old Windows tools write them', async () => {
    const { files } = await opened(
      swapped(await zipOf([{ name: 'cat/1.jpg', content: 'x' }]), 'cat/1.jpg', 'cat\\1.jpg'),
    );
    expect(files.map(({ name }) => name)).toEqual(['cat/1.jpg']);
  });

  test('a colon in the name of a folder is text, as the Finder writes a slash', async () => {
    const { files } = await opened(swapped(await zipOf([{ name: 'b-w/1.jpg', content: 'x' }]), 'b-w/', 'b:w/'));
    expect(files.map(({ name }) => name)).toEqual(['b:w/1.jpg']);
  });

  test('a leading "./" is removed', async () => {
    const { files } = await opened(swapped(await zipOf([{ name: 'xxcat/1.jpg', content: 'x' }]), 'xxcat/', './cat/'));
    expect(files.map(({ name }) => name)).toEqual(['cat/1.jpg']);
  });

  test.each([
    ['UTF-8 and marked as such', Buffer.from('Köt/1.jpg'), 0x800],
    ['UTF-8 without the mark', Buffer.from('Köt/1.jpg'), 0],
    ['code page 437', Buffer.from('K\x94t/1.jpg', 'latin1'), 0],
    ['code page 437 marked as UTF-8', Buffer.from('K\x94t/1.jpg', 'latin1'), 0x800],
  ])('a name in %s is decoded', async (_, raw, flags) => {
    const stand = 'x'.repeat(raw.length);
    const zip = swapped(await zipOf([{ name: stand, content: 'x' }]), Buffer.from(stand), raw);
    const { files } = await opened(patched(zip, 0, 'flags', flags));
    expect(files.map(({ name }) => name)).toEqual(['Köt/1.jpg']);
  });

  test('of two entries with the same name the last is used, as by unpackers', async () => {
    const zip = await zipOf([
      { name: 'cat/1.jpg', content: 'old' },
      { name: 'cat/x.jpg', content: 'new' },
    ]);
    const { files, ignored, read } = await opened(swapped(zip, 'cat/x.jpg', 'cat/1.jpg'));
    expect(files).toHaveLength(1);
    for (const file of files) expect((await read(file)).toString()).toBe('new');
    expect(ignored).toEqual([{ name: 'cat/1.jpg', reason: 'duplicate_name' }]);
  });

  test('names that differ in their Unicode normalization alone are names of different files', async () => {
    const { files, ignored, read } = await opened(
      await zipOf([
        { name: 'cat/a\u0308.jpg', content: 'decomposed' },
        { name: 'cat/\u00e4.jpg', content: 'composed' },
        { name: 'Ko\u0308ter/1.jpg', content: 'decomposed folder' },
        { name: 'K\u00f6ter/1.jpg', content: 'composed folder' },
      ]),
    );
    expect((await Promise.all(files.map(async (file) => `${await read(file)}`))).sort()).toEqual(
      ['composed', 'composed folder', 'decomposed', 'decomposed folder'].sort(),
    );
    expect(ignored).toEqual([]);
  });

  test('devices and pipes are ignored', async () => {
    const { files, ignored } = await opened(await zipOf([{ name: 'pipe.jpg', content: '', mode: 0o010644 }]));
    expect(files).toEqual([]);
    expect(ignored).toEqual([{ name: 'pipe.jpg', reason: 'special_file' }]);
  });
});

describe('bombs', () => {
  test('an entry that expands beyond any photo is refused before it is inflated', async () => {
    const zip = await zipOf([{ name: 'cat/1.jpg', content: Buffer.alloc(4 * 1024 * 1024) }]);
    await expect(opened(zip)).rejects.toMatchObject({
      code: 'archive_bomb',
      status: 422,
      context: { limit: 'max_ratio', maximum: 200, entry: 'cat/1.jpg' },
    });
  });

  test('a blank drawing below a mebibyte is not a bomb', async () => {
    expect(await firstFile(await zipOf([{ name: 'cat/1.tif', content: Buffer.alloc(1_000_000) }]))).toHaveLength(
      1_000_000,
    );
  });

  test('an entry is not inflated beyond its declared size', async () => {
    const zip = await zipOf([{ name: 'cat/1.jpg', content: Buffer.alloc(4 * 1024 * 1024) }]);
    await expect(firstFile(patched(zip, 0, 'size', 1000))).rejects.toMatchObject({
      code: 'archive_corrupt',
      message: expect.stringContaining('more than the declared 1000 bytes'),
    });
  });

  test('entries that share the same bytes are refused', async () => {
    const zip = await zipOf(
      Array.from({ length: 4 }, (_, index) => ({
        name: `${index}.jpg`,
        content: Buffer.alloc(900, index),
        compress: false,
      })),
    );
    let overlapping = zip;
    for (let index = 0; index < 4; index++) {
      overlapping = patched(patched(overlapping, index, 'localHeader', 0), index, 'compressedSize', 2000);
      overlapping = patched(overlapping, index, 'size', 2000);
    }
    await expect(opened(overlapping)).rejects.toMatchObject({ code: 'archive_bomb' });
  });

  test('a zip with more bytes than the limit is not parsed', async () => {
    await expect(opened(await twoImages(), { maxArchiveBytes: 100 })).rejects.toMatchObject({
      code: 'archive_too_large',
      context: { limit: 'max_archive_bytes', maximum: 100 },
    });
  });
});

describe('damage', () => {
  test('a zip that was cut off is refused, wherever the cut is', async () => {
    const zip = await twoImages();
    for (const kept of [zip.length - 1, zip.length - 30, Math.floor(zip.length / 2), 10, 3]) {
      await expect(opened(zip.subarray(0, kept)), `${kept} bytes`).rejects.toMatchObject({ code: 'archive_corrupt' });
    }
  });

  test('a zip whose beginning is missing is refused', async () => {
    const zip = await twoImages();
    const directory = zip.indexOf(Buffer.from('PK\x01\x02', 'latin1'));
    await expect(opened(zip.subarray(directory - 20))).rejects.toMatchObject({
      code: expect.stringMatching(/archive_corrupt|unsupported_archive/),
    });
  });

  test('an empty file is refused', async () => {
    await expect(opened(Buffer.alloc(0))).rejects.toMatchObject({ code: 'archive_corrupt' });
  });

  test.each([
    ['a gzip archive', '\x1f\x8b\x08', 'unpack it'],
    ['a RAR archive', 'Rar!\x1a\x07\x01', 'unpack it'],
    ['a 7-Zip archive', '7z\xbc\xaf\x27\x1c', 'unpack it'],
    ['a tar archive', `${'\0'.repeat(257)}ustar`, 'unpack it'],
    ['a single image', '\xff\xd8\xff\xe0', 'POST /classify takes single images'],
    ['text', 'file,label', 'send a .zip'],
    ['not a zip archive', '\x01\x02\x03', 'send a .zip'],
  ])('%s is refused as such, by its bytes, with the remedy', async (kind, content, remedy) => {
    await expect(opened(Buffer.from(content, 'latin1'))).rejects.toMatchObject({
      code: 'unsupported_archive',
      message: expect.stringMatching(new RegExp(`${kind}.*${remedy}`)),
    });
  });

  test.each([
    ['CRC-32', 'crc' as const, 12345],
    ['a declared size beyond the content', 'size' as const, 601],
    ['a header in the wrong place', 'localHeader' as const, 1],
  ])('a file that fails by %s does not affect others', async (_, field, value) => {
    const { files, read } = await opened(patched(await twoImages(), 0, field, value));
    const [cat, dog] = files;
    if (cat === undefined || dog === undefined) throw new Error('two files were packed');
    await expect(read(cat)).rejects.toMatchObject({ code: 'archive_corrupt', context: { entry: 'cat/1.jpg' } });
    expect(await read(dog)).toHaveLength(700);
  });

  test('a file whose compressed bytes were overwritten is recognized', async () => {
    const zip = await twoImages();
    zip.fill(0xff, 45, 50);
    await expect(firstFile(zip)).rejects.toMatchObject({ code: 'archive_corrupt' });
  });
});

describe('unsupported features of the format', () => {
  test.each([
    ['by the traditional cipher', 0x1],
    ['strongly', 0x41],
  ])('a zip that is encrypted %s is refused, with the remedy', async (_, flags) => {
    await expect(opened(patched(await twoImages(), 1, 'flags', flags))).rejects.toMatchObject({
      code: 'archive_encrypted',
      message: expect.stringContaining('without a password'),
    });
  });

  test('other compression methods are refused by name', async () => {
    await expect(opened(patched(await twoImages(), 0, 'method', 93))).rejects.toMatchObject({
      code: 'unsupported_archive',
      context: { entry: 'cat/1.jpg', method: 93 },
    });
  });
});

test('zip64 is read like any other zip', async () => {
  const zip = await zipOf([{ name: 'cat/1.jpg', content: 'photo' }], { zip64: true });
  expect(zip.includes(Buffer.from('PK\x06\x06', 'latin1'))).toBe(true);
  expect((await firstFile(zip)).toString()).toBe('photo');
});

test('a local header may have fields that the central directory has not', async () => {
  const zip = await zipOf([{ name: 'cat/1.jpg', content: 'photo' }]);
  const extra = Buffer.from('ZZ\x04\x00four', 'latin1');
  const nameEnd = 30 + 'cat/1.jpg'.length;
  const longer = Buffer.concat([zip.subarray(0, nameEnd), extra, zip.subarray(nameEnd)]);
  longer.writeUInt16LE(extra.length, 28);
  // The end record has the offset of the central directory.
  longer.writeUInt32LE(longer.readUInt32LE(longer.length - 6) + extra.length, longer.length - 6);
  expect((await firstFile(longer)).toString()).toBe('photo');
});

test('stored entries are read like compressed ones', async () => {
  expect((await firstFile(await zipOf([{ name: 'a.jpg', content: 'as it is', compress: false }]))).toString()).toBe(
    'as it is',
  );
});

test('too many entries are refused before they are read', async () => {
  const zip = await twoImages();
  zip.writeUInt16LE(60_000, zip.length - 12);
  await expect(opened(zip, { maxEntries: 50_000 })).rejects.toMatchObject({
    context: { limit: 'max_entries', found: 60_000 },
  });
});

test('a name of 64 kilobytes is refused, and shortened in the error', async () => {
  const zip = await zipOf([{ name: 'x'.repeat(65_000), content: 'x' }]);
  await expect(opened(zip)).rejects.toMatchObject({
    code: 'archive_too_large',
    context: { limit: 'max_name_bytes', found: 65_000, maximum: 1024, entry: 'x'.repeat(200) },
  });
});
