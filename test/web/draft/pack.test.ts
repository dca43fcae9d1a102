import { expect, test, vi } from 'vitest';
import { Packer } from '../../../src/web/draft/pack.ts';
import { readZip } from '../../../src/web/zip/read.ts';
import { draft } from './drafts.ts';

test('a data set is packed with a folder per class, and a table with names that are none for folders', async () => {
  const { file, imageOf, samples } = await new Packer().pack(draft(['B/W', 2], ['say "cat"', 1]), () => {});
  const entries = await readZip(file);
  const [first = '', second = '', third = '', table] = entries.map(({ name }) => name);
  expect([first, second, third, table]).toEqual([
    '1-B-W/0001-photo.jpg',
    '1-B-W/0002-photo.jpg',
    '2-say "cat"/0001-photo.jpg',
    'labels.csv',
  ]);
  expect(await (await entries.at(-1)?.read())?.text()).toBe(
    `file,label\n"${first}","B/W"\n"${second}","B/W"\n"2-say ""cat""/0001-photo.jpg","say ""cat"""`,
  );
  expect(await samples()).toEqual(
    new Map([
      ['B/W', [first, second]],
      ['say "cat"', [third]],
    ]),
  );
  expect(await imageOf(first)).toBeInstanceOf(Blob);
  expect(await imageOf('d/0001-photo.jpg')).toBeUndefined();
});

test('a draft is packed again only when its version is another', async () => {
  const packer = new Packer();
  const first = draft(['cat', 2], ['dog', 2]);
  const onProgress = vi.fn();
  const packed = await packer.pack(first, onProgress);
  expect(onProgress).toHaveBeenLastCalledWith(1);
  expect(await packer.pack({ ...first, options: { name: 'pets' } }, onProgress)).toBe(packed);
  expect(await packer.pack({ ...first, version: first.version + 1 }, onProgress)).not.toBe(packed);
});
