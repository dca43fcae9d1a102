import type { BackedOffConcept } from './class-hierarchy.ts';
import type { ConceptGraph } from './concept-graph.ts';

/** How often concepts are right, and how much they say. */
export interface ConceptAccuracy {
  readonly images: number;
  /** Share of the images that show the concept: it is the true class or lies above it. 0..1 */
  readonly right: number;
  /** Mean depth of the concepts that are right; 0 is the root, which is always right. Absent when none is. */
  readonly depth?: number;
}

/** How near the answers of a model are in the hypernym graph. */
export interface HierarchicalAccuracy {
  /**
   * Hierarchical precision, recall and F-measure of the first classes, 0..1: each class counts with all above it but
   * the root, over all images together (Kiritchenko, Matwin, Nock and Famili, Learning and Evaluation in the Presence
   * of Class Hierarchies, 2006).
   */
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /**
   * Mean distance of the first class from the true one, over the images where it is wrong: links of the shortest way by
   * a common hypernym (Rada, Mili, Bicknell and Blettner, Development and Application of a Metric on Semantic Nets,
   * 1989). Absent without mistakes.
   */
  readonly mistakeDistance?: number;
  /** Mean depth of the true classes, against which that of the concepts can be read. */
  readonly classDepth: number;
  /** The concept that `hierarchy=true` names, for all images, and for those whose first class is wrong. */
  readonly concepts: ConceptAccuracy;
  readonly conceptsOfMistakes: ConceptAccuracy;
  /** The same for images of classes that the model does not have. */
  readonly conceptsOfOthers: ConceptAccuracy;
}

/** The answer for an image. */
export interface HierarchicalAnswer {
  /** Synset of the class that it shows. */
  readonly truth: string;
  readonly concept: BackedOffConcept | null;
}

/** Counts answers one by one. */
export class HierarchyTally {
  readonly #graph: ConceptGraph;
  readonly #all = new ConceptTally();
  readonly #mistakes = new ConceptTally();
  readonly #others = new ConceptTally();
  #shared = 0;
  #predicted = 0;
  #true = 0;
  #depths = 0;
  #distances: number[] = [];

  constructor(graph: ConceptGraph) {
    this.#graph = graph;
  }

  /** Counts an image of a class of the model. @param predicted synset of the first class, where it has one */
  add({ truth, concept }: HierarchicalAnswer, predicted: string | undefined): void {
    const ofTruth = this.#graph.above(truth);
    const ofPredicted = this.#graph.above(predicted ?? '');
    const common = [...ofPredicted].filter(([synset]) => ofTruth.has(synset));
    const isNoRoot = (synset: string) => this.#graph.depth(synset) > 0;
    this.#true += [...ofTruth.keys()].filter(isNoRoot).length;
    this.#predicted += [...ofPredicted.keys()].filter(isNoRoot).length;
    this.#shared += common.filter(([synset]) => isNoRoot(synset)).length;
    this.#depths += this.#graph.depth(truth);
    this.#all.add(concept, ofTruth);
    if (predicted === truth) return;
    this.#mistakes.add(concept, ofTruth);
    if (common.length > 0) {
      this.#distances.push(Math.min(...common.map(([synset, links]) => links + (ofTruth.get(synset) ?? 0))));
    }
  }

  /** Counts an image of a class that the model does not have. */
  addOther({ truth, concept }: HierarchicalAnswer): void {
    this.#others.add(concept, this.#graph.above(truth));
  }

  /** Undefined when no image of the model's classes was counted. */
  result(): HierarchicalAccuracy | undefined {
    if (this.#all.images === 0) return undefined;
    const distance = mean(this.#distances);
    return {
      precision: ratio(this.#shared, this.#predicted),
      recall: ratio(this.#shared, this.#true),
      f1: ratio(2 * this.#shared, this.#predicted + this.#true),
      ...(distance !== undefined && { mistakeDistance: distance }),
      classDepth: this.#depths / this.#all.images,
      concepts: this.#all.result(),
      conceptsOfMistakes: this.#mistakes.result(),
      conceptsOfOthers: this.#others.result(),
    };
  }
}

class ConceptTally {
  images = 0;
  readonly #depths: number[] = [];

  /** @param ofTruth the true class and all above it */
  add(concept: BackedOffConcept | null, ofTruth: ReadonlyMap<string, number>): void {
    this.images += 1;
    if (concept !== null && ofTruth.has(concept.synset)) this.#depths.push(concept.depth);
  }

  result(): ConceptAccuracy {
    const depth = mean(this.#depths);
    return {
      images: this.images,
      right: ratio(this.#depths.length, this.images),
      ...(depth !== undefined && { depth }),
    };
  }
}

/** 0 of nothing. */
function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}
