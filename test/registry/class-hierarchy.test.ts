import { describe, expect, it } from 'vitest';
import { ClassHierarchies, type ClassHierarchy } from '../../src/registry/class-hierarchy.ts';
import { ConceptGraph } from '../../src/registry/concept-graph.ts';
import { readConceptGraph } from '../../src/registry/zoo.ts';

/** Concepts that are called like their synsets. */
const concepts = (parents: Readonly<Record<string, readonly string[]>>) =>
  Object.entries(parents).map(([name, above]) => ({
    synset: name,
    label: name,
    words: [name],
    gloss: undefined,
    parents: above,
  }));

/**
 * A diamond: two ways lead from a dog to the animals.
 *
 *            entity
 *           /      \
 *       animal     chair
 *      /      \
 *   canine   domestic
 *   /   \    /     \
 * wolf   dog       cat
 *       /   \
 *   poodle  husky
 */
const DIAMOND = {
  entity: [],
  animal: ['entity'],
  canine: ['animal'],
  domestic: ['animal'],
  dog: ['canine', 'domestic'],
  poodle: ['dog'],
  husky: ['dog'],
  wolf: ['canine'],
  cat: ['domestic'],
  chair: ['entity'],
};
const CLASSES = ['poodle', 'husky', 'wolf', 'cat', 'chair'];

const graph = new ConceptGraph(concepts(DIAMOND));

function hierarchyOf(classes: readonly string[]): ClassHierarchy {
  const hierarchy = new ClassHierarchies(() => graph).of(classes.map((label) => ({ label, synset: label })));
  if (hierarchy === undefined) throw new Error('no class has a concept');
  return hierarchy;
}

const hierarchy = hierarchyOf(CLASSES);
const scores = (...probabilities: number[]) => hierarchy.scores(Float32Array.from(probabilities));
const named = (values: readonly { label: string; score: number }[]) =>
  values.map(({ label, score }) => [label, Number(score.toFixed(6))]);

describe('the score of a concept', () => {
  const sure = scores(0.25, 0.25, 0.125, 0.25, 0.125);

  it('is the sum of the classes below it, each once however many ways lead there', () => {
    expect(named(hierarchy.path('poodle', sure))).toEqual([
      ['dog', 0.5],
      ['canine', 0.625],
      ['animal', 0.875],
      ['entity', 1],
    ]);
  });

  it('never exceeds 1, although rounded probabilities may add up to more', () => {
    expect(hierarchy.backOff(scores(0.6, 0.5, 0, 0, 0), 1)?.score).toBe(1);
  });

  it('leaves out classes without a concept', () => {
    const mixed = new ClassHierarchies(() => graph).of([{ label: 'a' }, { label: 'b', synset: 'cat' }]);
    expect(mixed?.backOff(mixed.scores(Float32Array.of(0.75, 0.25)), 0.5)).toBeUndefined();
    expect(mixed?.backOff(mixed.scores(Float32Array.of(0.25, 0.75)), 0.5)).toMatchObject({ label: 'cat' });
  });
});

describe('backing off', () => {
  it('names the class itself where it passes the threshold', () => {
    expect(hierarchy.backOff(scores(0.75, 0.125, 0.125, 0, 0), 0.5)).toMatchObject({ label: 'poodle', depth: 4 });
  });

  it('names the deepest concept that passes, with its path', () => {
    const concept = hierarchy.backOff(scores(0.4375, 0.375, 0.0625, 0.0625, 0.0625), 0.5);
    expect(concept).toMatchObject({ synset: 'dog', label: 'dog', score: 0.8125, depth: 3 });
    expect(concept?.path.map(({ label }) => label)).toEqual(['canine', 'animal', 'entity']);
  });

  it('follows the threshold up to the root', () => {
    const probabilities = scores(0.25, 0.25, 0.125, 0.25, 0.125);
    const at = (threshold: number) => hierarchy.backOff(probabilities, threshold)?.label;
    expect([0.5, 0.75, 0.8, 0.9].map(at)).toEqual(['dog', 'domestic', 'animal', 'entity']);
  });

  it('prefers, of equally deep ones, the one with the higher score, then the lower synset', () => {
    expect(hierarchy.backOff(scores(0.25, 0, 0.25, 0.375, 0.125), 0.5)?.label).toBe('domestic');
    expect(hierarchy.backOff(scores(0.25, 0, 0.3125, 0.3125, 0.125), 0.5)?.label).toBe('canine');
  });

  it('names nothing where nothing passes', () => {
    expect(hierarchy.backOff(scores(0.125, 0.125, 0, 0, 0), 0.5)).toBeUndefined();
  });
});

describe('what a model knows', () => {
  const pets = hierarchyOf(['cat', 'poodle']);

  it('is above its classes', () => {
    expect(pets.children('dog').map(({ label }) => label)).toEqual(['poodle']);
    expect(pets.children('entity').map(({ label }) => label)).toEqual(['animal']);
    expect(pets.classesOf('domestic')).toEqual([0, 1]);
    expect(pets.classesOf('chair')).toEqual([]);
  });

  it('reads the graph when the first hierarchy is asked for, and once', () => {
    let reads = 0;
    const hierarchies = new ClassHierarchies(() => {
      reads += 1;
      return graph;
    });
    expect(reads).toBe(0);
    hierarchies.of([{ label: 'poodle', synset: 'poodle' }]);
    hierarchies.of([{ label: 'cat', synset: 'cat' }]);
    expect(reads).toBe(1);
  });

  it('is nothing when no class has a concept', () => {
    expect(new ClassHierarchies(() => graph).of([{ label: 'a' }, { label: 'b', synset: 'n00000000' }])).toBeUndefined();
  });
});

describe('a graph', () => {
  it('measures depth by the longest way from the root', () => {
    const skewed = new ConceptGraph(concepts({ root: [], middle: ['root'], low: ['root', 'middle'] }));
    expect(skewed.depth('low')).toBe(2);
    expect([...skewed.above('low')]).toEqual([
      ['low', 0],
      ['root', 1],
      ['middle', 1],
    ]);
  });

  it.each([
    ['a loop', { a: ['b'], b: ['a'] }, 'above itself'],
    ['a parent that is missing', { a: ['b'] }, 'b is a parent'],
  ])('may not have %s', (_, parents, reason) => {
    expect(() => new ConceptGraph(concepts(parents))).toThrow(reason);
  });
});

describe('the graph of the zoo', () => {
  it('has names, gloss and a way to the root for every class of ImageNet and every concept above', async () => {
    const wordNet = await readConceptGraph('zoo', (file) => expect.unreachable(file));
    const dog = wordNet.find('n02084071');
    expect(dog).toMatchObject({ label: 'dog', words: ['dog', 'domestic dog', 'Canis familiaris'] });
    expect(dog?.parents.map((parent) => wordNet.find(parent)?.label)).toEqual(['canine', 'domestic animal']);
    const retriever = wordNet.find('n02099601');
    expect(retriever).toMatchObject({ label: 'golden retriever', gloss: expect.stringContaining('silky golden coat') });
    const above = [...wordNet.above('n02099601').keys()].map((synset) => wordNet.find(synset));
    expect(above.map((each) => each?.label)).toContain('entity');
    expect(above.every((each) => each?.gloss)).toBe(true);
  });
});
