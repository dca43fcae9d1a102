import type { Concept, ConceptGraph } from './concept-graph.ts';

/** Enough to tell a crane that flies from one that lifts. */
const MAX_SUGGESTIONS = 3;

/**
 * Suggests concepts for the names of classes: those that are called so, in any case, with hyphens or underscores, in the
 * singular or the plural. A name alone does not tell a crane from a crane, so somebody must confirm them.
 * @returns at most three for each name, those whose label it is first; names without any are left out
 */
export function suggestSynsets(names: readonly string[], graph: ConceptGraph): ReadonlyMap<string, readonly Concept[]> {
  const called = new Map<string, Set<Concept>>();
  const add = (word: string, concept: Concept): void => {
    const others = called.get(plain(word));
    if (others === undefined) called.set(plain(word), new Set([concept]));
    else others.add(concept);
  };
  const concepts = [...graph.concepts()];
  for (const concept of concepts) add(concept.label, concept);
  for (const concept of concepts) for (const word of concept.words) add(word, concept);
  return new Map(
    names.flatMap((name): [string, Concept[]][] => {
      const found = singulars(plain(name)).flatMap((word) => [...(called.get(word) ?? [])]);
      return found.length === 0 ? [] : [[name, [...new Set(found)].slice(0, MAX_SUGGESTIONS)]];
    }),
  );
}

/** `Egyptian_cat` and `egyptian-cat` as `egyptian cat`. */
function plain(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** A word, and what it may be the plural of: ants, foxes, butterflies. */
function singulars(word: string): string[] {
  const forms = [word];
  if (word.endsWith('ies')) forms.push(`${word.slice(0, -3)}y`);
  if (word.endsWith('es')) forms.push(word.slice(0, -2));
  if (word.endsWith('s') && !word.endsWith('ss')) forms.push(word.slice(0, -1));
  return forms;
}
