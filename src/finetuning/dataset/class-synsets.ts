import type { Concept, ConceptGraph } from '../../registry/concept-graph.ts';
import { suggestSynsets } from '../../registry/suggest-synsets.ts';

/** Where the synset of a class comes from: the option `synsets`, a column of a table, or the name of the class. */
export type SynsetSource = 'option' | 'table' | 'class_name';

/** What is known of the concept that a class shows. */
export interface ClassConcept {
  /** Such as `n02219486`; undefined when nobody has said it. */
  readonly synset: string | undefined;
  /** Undefined without a synset. */
  readonly source: SynsetSource | undefined;
  /** The concept itself; undefined when the zoo does not know the synset. */
  readonly concept: Concept | undefined;
  /** Concepts that are called like a class without a synset, for somebody to confirm. */
  readonly suggestions: readonly Concept[];
}

/** Synsets by the names of classes. */
export interface GivenSynsets {
  readonly option: Readonly<Record<string, string>> | undefined;
  readonly table: ReadonlyMap<string, string>;
}

/**
 * The concepts of classes, in their order. The option goes before the table, and both before the name of the class,
 * which counts when it is a synset that the zoo knows: `n02219486/1.jpg`.
 */
export function classConcepts(classes: readonly string[], given: GivenSynsets, graph: ConceptGraph): ClassConcept[] {
  const known = classes.map((name) => {
    const option = given.option !== undefined && Object.hasOwn(given.option, name) ? given.option[name] : undefined;
    if (option !== undefined) return { synset: option, source: 'option' as const };
    const table = given.table.get(name);
    if (table !== undefined) return { synset: table, source: 'table' as const };
    const isSynset = graph.find(name) !== undefined;
    return { synset: isSynset ? name : undefined, source: isSynset ? ('class_name' as const) : undefined };
  });
  const unnamed = classes.filter((_, index) => known[index]?.synset === undefined);
  const suggestions = suggestSynsets(unnamed, graph);
  return known.map(({ synset, source }, index) => ({
    synset,
    source,
    concept: synset === undefined ? undefined : graph.find(synset),
    suggestions: suggestions.get(classes[index] ?? '') ?? [],
  }));
}
