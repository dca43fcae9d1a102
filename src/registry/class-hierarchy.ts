import type { Concept, ConceptGraph } from './concept-graph.ts';
import type { Label } from './manifest.ts';

/** A concept and the probability that an image shows something of it. */
export interface ScoredConcept {
  readonly synset: string;
  readonly label: string;
  /** The sum of the scores of all classes below it, in 0..1. */
  readonly score: number;
}

/** The most specific concept that is sure enough. */
export interface BackedOffConcept extends ScoredConcept {
  /** Links of the longest way from the root. */
  readonly depth: number;
  /** From its first hypernym to the root. */
  readonly path: readonly ScoredConcept[];
}

/** The probabilities of all concepts, by position. */
export type ConceptScores = Float64Array;

/**
 * The concepts above the classes of a model. What depends on the model alone is computed once: for each concept the
 * classes that it or a concept below it is, each once however many ways lead there.
 */
export class ClassHierarchy {
  /** Deepest first, and of one depth the lowest synset first. */
  readonly concepts: readonly Concept[];
  readonly #graph: ConceptGraph;
  readonly #positions: ReadonlyMap<string, number>;
  /** Classes of the concept at position p: `#classes[#starts[p]]` up to `#starts[p + 1]`, without it. */
  readonly #starts: Uint32Array;
  readonly #classes: Uint32Array;

  /** @param labels of the classes by index; those without a synset of the graph are below no concept */
  constructor(graph: ConceptGraph, labels: readonly Label[]) {
    const members = new Map<string, number[]>();
    for (const [index, { synset = '' }] of labels.entries()) {
      for (const above of graph.lineage(synset)) {
        const known = members.get(above);
        if (known === undefined) members.set(above, [index]);
        else known.push(index);
      }
    }
    this.#graph = graph;
    this.concepts = [...members.keys()]
      .sort((a, b) => graph.depth(b) - graph.depth(a) || (a < b ? -1 : 1))
      .flatMap((synset) => graph.find(synset) ?? []);
    this.#positions = new Map(this.concepts.map(({ synset }, position) => [synset, position]));
    this.#starts = new Uint32Array(this.concepts.length + 1);
    const lists = this.concepts.map(({ synset }) => members.get(synset) ?? []);
    for (const [position, list] of lists.entries()) {
      this.#starts[position + 1] = (this.#starts[position] ?? 0) + list.length;
    }
    this.#classes = Uint32Array.from(lists.flat());
  }

  /** Whether a class of the model is this concept or below it. */
  has(synset: string): boolean {
    return this.#positions.has(synset);
  }

  /** Indices of the classes that a concept is or has below it, ascending; none for others. */
  classesOf(synset: string): readonly number[] {
    const position = this.#positions.get(synset);
    if (position === undefined) return [];
    return [...this.#classes.subarray(this.#starts[position], this.#starts[position + 1])];
  }

  /** Concepts directly below one, as far as the model has a class there. */
  children(synset: string): Concept[] {
    return this.#graph.children(synset).flatMap((child) => (this.has(child) ? (this.#graph.find(child) ?? []) : []));
  }

  /** Sums the probabilities of all classes of each concept; one pass over the pairs of both. */
  scores(probabilities: Float32Array): ConceptScores {
    const scores = new Float64Array(this.concepts.length);
    // By index: an iterator allocates an object for each of twelve thousand pairs.
    for (let position = 0; position < scores.length; position++) {
      const end = this.#starts[position + 1] ?? 0;
      let sum = 0;
      for (let at = this.#starts[position] ?? 0; at < end; at++) sum += probabilities[this.#classes[at] ?? 0] ?? 0;
      // Rounded 32-bit numbers may add up to a little more.
      scores[position] = Math.min(sum, 1);
    }
    return scores;
  }

  /**
   * The deepest concept whose score is at least `threshold`: of several the one with the highest score, and then the
   * one with the lowest synset. From one half on all that pass lie above what is likeliest; with a lower threshold
   * unrelated ones may pass. Undefined when none passes.
   */
  backOff(scores: ConceptScores, threshold: number): BackedOffConcept | undefined {
    let best: number | undefined;
    for (let position = 0; position < scores.length; position++) {
      const score = scores[position] ?? 0;
      if (score < threshold) continue;
      if (best !== undefined && this.#depthAt(position) < this.#depthAt(best)) break;
      if (best === undefined || score > (scores[best] ?? 0)) best = position;
    }
    const concept = best === undefined ? undefined : this.concepts[best];
    if (concept === undefined) return undefined;
    const { synset } = concept;
    return { ...this.#scored(concept, scores), depth: this.#graph.depth(synset), path: this.path(synset, scores) };
  }

  /** The way from a class or concept to the root by first hypernyms, without itself; empty for unknown synsets. */
  path(synset: string | undefined, scores: ConceptScores): ScoredConcept[] {
    return synset === undefined ? [] : this.#graph.path(synset).map((concept) => this.#scored(concept, scores));
  }

  #scored({ synset, label }: Concept, scores: ConceptScores): ScoredConcept {
    return { synset, label, score: scores[this.#positions.get(synset) ?? -1] ?? 0 };
  }

  #depthAt(position: number): number {
    return this.#graph.depth(this.concepts[position]?.synset ?? '');
  }
}

/** The hierarchies of models, each of which is computed once. */
export class ClassHierarchies {
  readonly #readGraph: () => ConceptGraph;
  #graph: ConceptGraph | undefined;
  /** Models keep their list of labels for as long as they live. */
  readonly #known = new WeakMap<readonly Label[], ClassHierarchy>();

  /** @param readGraph called at the first use of the graph */
  constructor(readGraph: () => ConceptGraph) {
    this.#readGraph = readGraph;
  }

  /** All concepts of the zoo. */
  get graph(): ConceptGraph {
    this.#graph ??= this.#readGraph();
    return this.#graph;
  }

  /** What lies above the classes of a model; undefined when none of them has a synset of the graph. */
  of(labels: readonly Label[]): ClassHierarchy | undefined {
    const hierarchy = this.#known.get(labels) ?? new ClassHierarchy(this.graph, labels);
    this.#known.set(labels, hierarchy);
    return hierarchy.concepts.length > 0 ? hierarchy : undefined;
  }
}
