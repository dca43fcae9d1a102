import { describe, expect, it } from 'vitest';
import { ConceptGraph } from '../../src/registry/concept-graph.ts';
import { HierarchyTally } from '../../src/registry/hierarchical-accuracy.ts';

const PARENTS: Readonly<Record<string, string[]>> = {
  entity: [],
  animal: ['entity'],
  dog: ['animal'],
  poodle: ['dog'],
  husky: ['dog'],
  cat: ['animal'],
  chair: ['entity'],
};
const graph = new ConceptGraph(
  Object.entries(PARENTS).map(([synset, parents]) => ({
    synset,
    label: synset,
    words: [synset],
    gloss: undefined,
    parents,
  })),
);

const concept = (synset: string) => ({ synset, label: synset, score: 0.6, depth: graph.depth(synset), path: [] });

describe('hierarchical accuracy', () => {
  it('counts classes with all above them but the root, over all images together', () => {
    const tally = new HierarchyTally(graph);
    tally.add({ truth: 'poodle', concept: concept('dog') }, 'husky'); // 2 of 3, and 2 of 3
    tally.add({ truth: 'chair', concept: concept('animal') }, 'cat'); // 0 of 2, and 0 of 1
    tally.add({ truth: 'cat', concept: concept('cat') }, 'cat'); // 2 of 2, and 2 of 2
    const { precision, recall, f1 } = tally.result() ?? {};
    expect(precision).toBeCloseTo(4 / 7);
    expect(recall).toBeCloseTo(4 / 6);
    expect(f1).toBeCloseTo(8 / 13);
  });

  it('measures mistakes by the links of the shortest way by a common hypernym', () => {
    const tally = new HierarchyTally(graph);
    tally.add({ truth: 'poodle', concept: null }, 'husky'); // 2 links
    tally.add({ truth: 'poodle', concept: null }, 'chair'); // 4 links
    tally.add({ truth: 'poodle', concept: null }, 'poodle');
    expect(tally.result()).toMatchObject({ mistakeDistance: 3, classDepth: 3 });
  });

  it('tells how often the concept is right, and how deep it then is', () => {
    const tally = new HierarchyTally(graph);
    tally.add({ truth: 'poodle', concept: concept('poodle') }, 'poodle');
    tally.add({ truth: 'poodle', concept: concept('dog') }, 'husky');
    tally.add({ truth: 'poodle', concept: concept('cat') }, 'cat');
    tally.add({ truth: 'poodle', concept: null }, 'cat');
    tally.addOther({ truth: 'husky', concept: concept('animal') });
    expect(tally.result()).toMatchObject({
      concepts: { images: 4, right: 0.5, depth: 2.5 },
      conceptsOfMistakes: { images: 3, right: 1 / 3, depth: 2 },
      conceptsOfOthers: { images: 1, right: 1, depth: 1 },
    });
  });

  it('is nothing without images', () => {
    expect(new HierarchyTally(graph).result()).toBeUndefined();
  });

  it('has no distance without mistakes', () => {
    const tally = new HierarchyTally(graph);
    tally.add({ truth: 'cat', concept: null }, 'cat');
    expect(tally.result()).not.toHaveProperty('mistakeDistance');
  });
});
