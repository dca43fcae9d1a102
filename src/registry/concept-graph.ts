/** A concept of WordNet: a class of some model, or what lies above one. */
export interface Concept {
  /** Such as `n02084071`. */
  readonly synset: string;
  readonly label: string;
  /** All its names, the label among them. */
  readonly words: readonly string[];
  readonly gloss: string | undefined;
  /** Synsets of its hypernyms, WordNet's first one first; none at the root. */
  readonly parents: readonly string[];
}

/**
 * The concepts of the zoo and what lies above them: an acyclic graph, since a concept may have several hypernyms. A dog
 * is a canine and a domestic animal.
 */
export class ConceptGraph {
  readonly #concepts = new Map<string, Concept>();
  readonly #children = new Map<string, string[]>();
  readonly #depths = new Map<string, number>();

  /**
   * @param concepts of several lists the first one with parents counts
   * @throws Error when a parent is missing, or a concept lies above itself
   */
  constructor(concepts: Iterable<Concept>) {
    for (const concept of concepts) {
      const known = this.#concepts.get(concept.synset);
      if (known === undefined || known.parents.length === 0) this.#concepts.set(concept.synset, concept);
    }
    for (const { synset, parents } of this.#concepts.values()) {
      for (const parent of parents) {
        const siblings = this.#children.get(parent);
        if (siblings === undefined) this.#children.set(parent, [synset]);
        else siblings.push(synset);
      }
    }
    for (const synset of this.#concepts.keys()) this.#measure(synset, new Set());
  }

  find(synset: string): Concept | undefined {
    return this.#concepts.get(synset);
  }

  /** All concepts, in no particular order. */
  concepts(): Iterable<Concept> {
    return this.#concepts.values();
  }

  /** The concepts directly below one. */
  children(synset: string): readonly string[] {
    return this.#children.get(synset) ?? [];
  }

  /** Links of the longest way from the root, so that a concept is deeper than all its hypernyms; 0 at the root. */
  depth(synset: string): number {
    return this.#depths.get(synset) ?? 0;
  }

  /** Links to a concept and to all above it, by the shortest way; 0 to itself. None for an unknown synset. */
  above(synset: string): ReadonlyMap<string, number> {
    const links = new Map<string, number>();
    // Breadth first, so the first way that is found is the shortest.
    let level = this.#concepts.has(synset) ? [synset] : [];
    for (let steps = 0; level.length > 0; steps++) {
      for (const each of level) links.set(each, steps);
      level = level
        .flatMap((each) => this.#concepts.get(each)?.parents ?? [])
        .filter((parent, place, all) => !links.has(parent) && all.indexOf(parent) === place);
    }
    return links;
  }

  /** A concept and all above it, each once; none for an unknown synset. Several times faster than `above`. */
  lineage(synset: string): ReadonlySet<string> {
    const found = new Set(this.#concepts.has(synset) ? [synset] : []);
    // A set iterates over what is added meanwhile.
    for (const each of found) for (const parent of this.#concepts.get(each)?.parents ?? []) found.add(parent);
    return found;
  }

  /** The way from a concept to the root by the first hypernym of each, without the concept itself. */
  path(synset: string): Concept[] {
    const path: Concept[] = [];
    let next = this.#concepts.get(synset)?.parents[0];
    while (next !== undefined) {
      const concept = this.#concepts.get(next);
      if (concept === undefined) break;
      path.push(concept);
      [next] = concept.parents;
    }
    return path;
  }

  #measure(synset: string, below: Set<string>): number {
    const known = this.#depths.get(synset);
    if (known !== undefined) return known;
    const concept = this.#concepts.get(synset);
    if (concept === undefined) throw new Error(`${synset} is a parent, but not a concept`);
    if (below.has(synset)) throw new Error(`${synset} is above itself`);
    below.add(synset);
    const depth = Math.max(-1, ...concept.parents.map((parent) => this.#measure(parent, below))) + 1;
    below.delete(synset);
    this.#depths.set(synset, depth);
    return depth;
  }
}
