import { expect, test } from 'vitest';
import { suggestSynsets } from '../../src/registry/suggest-synsets.ts';
import { readConceptGraph } from '../../src/registry/zoo.ts';

const graph = await readConceptGraph('zoo', (file, thrown) => {
  throw new Error(file, { cause: thrown });
});
const suggested = (name: string) => (suggestSynsets([name], graph).get(name) ?? []).map(({ synset }) => synset);

test('a class is called like a concept, in any case and spelling', () => {
  expect(suggested('golden_retriever')).toEqual(['n02099601']);
  expect(suggested('Golden-Retriever')).toEqual(['n02099601']);
});

test.each([
  ['ants', 'n02219486'],
  ['dragonflies', 'n02268443'],
  ['torches', 'n04456115'],
])('%s is a plural', (name, synset) => {
  expect(suggested(name)).toContain(synset);
});

test('a name may be a synonym, or a concept above the classes', () => {
  expect(suggested('dogs')).toContain('n02084071');
  expect(suggested('emmet')).toEqual(['n02219486']);
});

test('a name that several concepts have gets all of them, so that somebody chooses', () => {
  expect(suggested('crane').sort()).toEqual(['n02012849', 'n03126707']);
});

test.each(['grumpkin', '', 'class 7', 'glass'.repeat(30)])('nothing is suggested for %j', (name) => {
  expect(suggestSynsets([name], graph).has(name)).toBe(false);
});
