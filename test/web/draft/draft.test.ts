import { describe, expect, test } from 'vitest';
import { draftFile, emptyDraft, trainingQuery, whatIsMissing } from '../../../src/web/draft/draft.ts';
import { draft } from './drafts.ts';

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
    expect(whatIsMissing({ ...draft(['', 0]), zip: draftFile(new File([], 'a.zip')) })).toBeUndefined();
  });
});

describe('the query of a training', () => {
  test('has the options, and the encoding when one was chosen', () => {
    const options = { name: 'pets', search: 'quick' } as const;
    expect(trainingQuery({ ...emptyDraft(), options })).toEqual(options);
    expect(trainingQuery({ ...emptyDraft(), options, encoding: 'gbk' })).toEqual({ ...options, encoding: 'gbk' });
  });

  test('has the synsets of the classes that are still called so', () => {
    const synsets = { crane: 'n02012849', heron: 'n02009912' };
    const query = trainingQuery({ ...draft(['crane', 5], ['gull', 5]), synsets });
    expect(query).toEqual({ synsets: '{"crane":"n02012849"}' });
  });
});
