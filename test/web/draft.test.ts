import { describe, expect, test } from 'vitest';
import { type Draft, packDraft, whatIsMissing } from '../../src/web/draft.ts';
import { readZip } from '../../src/web/zip/read.ts';

const pictures = (count: number) =>
  Array.from({ length: count }, () => ({ file: new File(['x'], 'photo.jpg'), url: 'blob:none' }));

const draft = (...classes: [name: string, count: number][]): Draft => ({
  classes: classes.map(([name, count]) => ({ name, pictures: pictures(count) })),
  zip: undefined,
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

test('a data set is packed with one folder per class, whatever the names of its images', async () => {
  const { file, imageOf } = await packDraft(draft(['a/b', 2], ['..c', 1]), () => {});
  const names = (await readZip(file)).map(({ name }) => name);
  expect(names).toEqual(['a-b/0001-photo.jpg', 'a-b/0002-photo.jpg', 'c/0001-photo.jpg']);
  expect(await imageOf('c/0001-photo.jpg')).toBeInstanceOf(Blob);
  expect(await imageOf('d/0001-photo.jpg')).toBeUndefined();
});
