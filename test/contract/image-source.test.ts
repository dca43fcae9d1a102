import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openArchive } from '../../src/finetuning/dataset/archive.ts';
import { openImageSource } from '../../src/finetuning/dataset/dataset.ts';
import { openFolder } from '../../src/finetuning/dataset/folder.ts';
import { ARCHIVE_LIMITS, type ArchiveLimits, type ImageSource } from '../../src/finetuning/dataset/image-source.ts';
import { fileOf, temporaryFolder, type ZipEntry, zipOf } from '../finetuning/dataset/zip-fixtures.ts';

const SYMBOLIC_LINK = 0o120777;

/** Writes the entries; the content of a symbolic link is its target. @returns the path of the source */
type Build = (entries: readonly ZipEntry[]) => Promise<string>;

const buildZip: Build = async (entries) => fileOf(await zipOf(entries));

const buildFolder: Build = async (entries) => {
  const root = temporaryFolder();
  for (const { name, content, mode } of entries) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    if (mode === SYMBOLIC_LINK) symlinkSync(String(content), path);
    else writeFileSync(path, content);
  }
  return root;
};

describe.each([
  { kind: 'zip', build: buildZip, open: openArchive },
  { kind: 'folder', build: buildFolder, open: openFolder },
])('a $kind as a source of images', ({ build, open }) => {
  let source: ImageSource | undefined;
  afterEach(async () => {
    await source?.close();
    source = undefined;
  });

  async function opened(entries: readonly ZipEntry[], limits: Partial<ArchiveLimits> = {}): Promise<ImageSource> {
    source = await open(await build(entries), { ...ARCHIVE_LIMITS, ...limits });
    return source;
  }

  test('lists every file with its size, sorted by name, without folders', async () => {
    const { files, ignored } = await opened([
      { name: 'dog/2.jpg', content: 'four' },
      { name: 'cat/10.jpg', content: '' },
      { name: 'notes.txt', content: 'a' },
    ]);
    expect(files.map(({ name, bytes }) => ({ name, bytes }))).toEqual([
      { name: 'cat/10.jpg', bytes: 0 },
      { name: 'dog/2.jpg', bytes: 4 },
      { name: 'notes.txt', bytes: 1 },
    ]);
    expect(ignored).toEqual([]);
  });

  test('reads files in any order, concurrently and repeatedly', async () => {
    const contents = new Map(
      Array.from({ length: 20 }, (_, index) => [`c/${index}.jpg`, `text ${index} `.repeat(500)]),
    );
    const { files, read } = await opened([...contents].map(([name, content]) => ({ name, content })));
    const order = [...files].reverse();
    for (let round = 0; round < 2; round++) {
      const found = await Promise.all(order.map(async (file) => [file.name, (await read(file)).toString()] as const));
      expect(new Map(found)).toEqual(contents);
    }
  });

  test('an empty file reads as no bytes', async () => {
    const { files, read } = await opened([{ name: 'cat/empty.jpg', content: '' }]);
    for (const file of files) expect(await read(file)).toHaveLength(0);
  });

  test('names are in composed Unicode, however they were written', async () => {
    const { files } = await opened([{ name: 'A\u0308pfel/1.jpg', content: 'x' }]);
    expect(files.map(({ name }) => name)).toEqual(['\u00c4pfel/1.jpg']);
  });

  test('symbolic links are not followed, and listed as ignored', async () => {
    const outside = join(temporaryFolder(), 'secret.jpg');
    writeFileSync(outside, 'secret');
    const { files, ignored } = await opened([
      { name: 'cat/1.jpg', content: 'x' },
      { name: 'cat/link.jpg', content: outside, mode: SYMBOLIC_LINK },
      { name: 'loop', content: '.', mode: SYMBOLIC_LINK },
    ]);
    expect(files.map(({ name }) => name)).toEqual(['cat/1.jpg']);
    expect([...ignored].sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      { name: 'cat/link.jpg', reason: 'symbolic_link' },
      { name: 'loop', reason: 'symbolic_link' },
    ]);
  });

  test.each([
    { limit: 'max_entries', limits: { maxEntries: 1 }, found: 2 },
    { limit: 'max_entry_bytes', limits: { maxEntryBytes: 99 }, found: 100 },
    { limit: 'max_total_bytes', limits: { maxTotalBytes: 149 }, found: 150 },
  ])('more than $limit is refused by name', async ({ limit, limits, found }) => {
    const entries = [
      { name: '1.jpg', content: Buffer.alloc(50) },
      { name: '2.jpg', content: Buffer.alloc(100) },
    ];
    await expect(opened(entries, limits)).rejects.toMatchObject({
      code: 'archive_too_large',
      status: 413,
      context: { limit, found, maximum: found - 1 },
    });
  });

  test('a file in more folders than the limit is refused', async () => {
    const entries = [{ name: 'a/b/c/1.jpg', content: 'x' }];
    expect((await opened(entries, { maxDepth: 3 })).files).toHaveLength(1);
    await source?.close();
    await expect(opened(entries, { maxDepth: 2 })).rejects.toMatchObject({
      code: 'archive_too_large',
      context: { limit: 'max_depth', maximum: 2 },
    });
  });

  test('is opened by its path', async () => {
    source = await openImageSource(await build([{ name: 'cat/1.jpg', content: 'x' }]));
    expect(source.files).toHaveLength(1);
  });
});

test('a path that does not exist is refused as such', async () => {
  const path = join(temporaryFolder(), 'absent');
  await expect(openImageSource(path)).rejects.toMatchObject({ code: 'invalid_request' });
});
