import { describe, expect, test } from 'vitest';
import { type Draft, packDraft, whatIsMissing } from '../../src/web/draft.ts';
import { readZip } from '../../src/web/zip/read.ts';

const pictures = (count: number) =>
  Array.from({ length: count }, () => ({ file: new File(['x'], 'photo.jpg'), url: 'blob:none' }));

const draft = (...classes: [name: string, count: number][]): Draft => ({
  classes: classes.map(([name, count]) => ({ name, pictures: pictures(count) })),
  zip: undefined,
  encoding: '',
  synsets: {},
  modelName: '',
});

describe('what is missing from a draft', () => {
  test.each([
    [draft(['cat', 5]), /at least two classes/],
    [draft(['cat', 5], ['', 5]), /Name every class/],
    [draft(['cat', 5], [' cat ', 5]), /Two classes are named “cat”/],
    [draft(['cat', 5], ['dog', 4]), /“dog” has 4 images\. Every class needs at least 5/],
  ])('is named: %#', (given, message) => {
    expect(whatIsMissing(given)).toMatch(message);
  });

  test('is nothing with two named classes of five, or with a zip; classes without images do not count', () => {
    expect(whatIsMissing(draft(['cat', 5], ['dog', 5], ['', 0]))).toBeUndefined();
    expect(whatIsMissing({ ...draft(['', 0]), zip: new File([], 'a.zip') })).toBeUndefined();
  });
});

test('a data set is packed with a folder per class, and a table with names that are none for folders', async () => {
  const { file, imageOf, samples } = await packDraft(draft(['B/W', 2], ['say "cat"', 1]), () => {});
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
