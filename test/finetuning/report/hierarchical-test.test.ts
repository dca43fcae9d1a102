import { expect, test } from 'vitest';
import { testHierarchy } from '../../../src/finetuning/report/hierarchical-test.ts';
import { ConceptGraph } from '../../../src/registry/concept-graph.ts';

/** entity < animal < dog < {poodle, husky}; entity < chair. */
const graph = new ConceptGraph(
  Object.entries({
    entity: [],
    animal: ['entity'],
    dog: ['animal'],
    poodle: ['dog'],
    husky: ['dog'],
    chair: ['entity'],
  }).map(([name, parents]) => ({ synset: name, label: name, words: [name], gloss: undefined, parents })),
);
const SYNSETS = ['poodle', 'husky', 'chair', undefined];

test('a husky that is taken for a poodle is two links away, and still a dog', () => {
  const probabilities = Float32Array.of(0.45, 0.35, 0.2, 0, 0.1, 0, 0.9, 0);
  const result = testHierarchy({ probabilities, labels: Int32Array.of(1, 2) }, SYNSETS, graph);
  expect(result?.mistakeDistance).toBe(2);
  expect(result?.conceptsOfMistakes).toEqual({ images: 1, right: 1, depth: 2 });
  // The true classes are husky, dog, animal and chair; all but husky are among poodle, dog, animal and chair.
  expect(result?.precision).toBeCloseTo(3 / 4);
  expect(result?.recall).toBeCloseTo(3 / 4);
});

test('images of a class without a synset are not counted', () => {
  const probabilities = Float32Array.of(0, 0, 0, 1, 1, 0, 0, 0);
  const result = testHierarchy({ probabilities, labels: Int32Array.of(3, 0) }, SYNSETS, graph);
  expect(result?.concepts.images).toBe(1);
  expect(testHierarchy({ probabilities, labels: Int32Array.of(3, 3) }, SYNSETS, graph)).toBeUndefined();
});
