import { expect, test, vi } from 'vitest';
import { idInDraft, nameInDraft, Packer } from '../../../src/web/draft/pack.ts';
import { readZip } from '../../../src/web/zip/read.ts';
import { draft } from './drafts.ts';

test('a data set is packed with a folder per class, and a table with names that are none for folders', async () => {
  const packed = draft(['B/W', 2], ['say "cat"', 1]);
  const [one, two, three] = packed.classes.flatMap(({ pictures }) => pictures.map(({ id }) => id));
  const { file, imageOf, samples } = await new Packer().pack(packed, () => {});
  const entries = await readZip(file);
  const [first = '', second = '', third = '', table] = entries.map(({ name }) => name);
  expect([first, second, third, table]).toEqual([
    `1-B-W/photo~${one}.jpg`,
    `1-B-W/photo~${two}.jpg`,
    `2-say "cat"/photo~${three}.jpg`,
    'labels.csv',
  ]);
  expect(await (await entries.at(-1)?.read())?.text()).toBe(
    `file,label\n"${first}","B/W"\n"${second}","B/W"\n"${third.replaceAll('"', '""')}","say ""cat"""`,
  );
  expect(await samples()).toEqual(
    new Map([
      ['B/W', [first, second]],
      ['say "cat"', [third]],
    ]),
  );
  expect(await imageOf(first)).toBeInstanceOf(Blob);
  expect(await imageOf('d/photo.jpg')).toBeUndefined();
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

test('an image of a report tells its name and its id in the draft', () => {
  expect(idInDraft('1-a~b/my~photo.1~k3-9s-ab.jpg')).toBe('k3-9s-ab');
  expect(nameInDraft('my~photo.1~k3-9s-ab.jpg')).toBe('my~photo.1.jpg');
  expect(idInDraft('1-a/photo~k3-9s-ab')).toBe('k3-9s-ab');
  expect(idInDraft('train/cat/0001.jpg')).toBeUndefined();
  expect(nameInDraft('0001.jpg')).toBe('0001.jpg');
});
