import { AppError } from '../common/errors.ts';
import type { JsonObject } from '../common/json.ts';
import type { ClassHierarchies } from '../registry/class-hierarchy.ts';
import type { Concept } from '../registry/concept-graph.ts';
import type { Registry } from '../registry/registry.ts';

/** Dependencies of `LabelCatalogue`. */
export interface LabelCatalogueParts {
  readonly registry: Pick<Registry, 'resolveClassifier'>;
  readonly hierarchies: ClassHierarchies;
}

/** Describes classes and the concepts above them, as `Concept` and `ModelLabels` of `openapi.yaml`. */
export class LabelCatalogue {
  readonly #parts: LabelCatalogueParts;

  constructor(parts: LabelCatalogueParts) {
    this.#parts = parts;
  }

  /**
   * A concept with what is directly above and below it.
   * @param reference of a model: then only what lies above its classes is below the concept, and these are named
   * @throws AppError `label_not_found`; as `Registry.resolveClassifier`
   */
  describe(synset: string, reference?: string): JsonObject {
    const { registry, hierarchies } = this.#parts;
    const { graph } = hierarchies;
    const model = reference === undefined ? undefined : registry.resolveClassifier(reference);
    const concept = graph.find(synset);
    if (concept === undefined) throw labelNotFound(synset);
    const hierarchy = model && hierarchies.of(model.manifest.labels);
    const children = model === undefined ? this.#concepts(graph.children(synset)) : (hierarchy?.children(synset) ?? []);
    return {
      ...described(concept, graph.depth(synset)),
      parents: this.#concepts(concept.parents).map(named),
      children: children.map(named),
      path: graph.path(synset).map(named),
      ...(model && {
        model: model.name,
        version: model.version,
        classes: (hierarchy?.classesOf(synset) ?? []).map((index) => ({
          index,
          label: model.manifest.labels[index]?.label,
        })),
      }),
    };
  }

  /** The classes of a model and all concepts above them. @throws AppError as `Registry.resolveClassifier` */
  list(reference: string): JsonObject {
    const { registry, hierarchies } = this.#parts;
    const { name, version, manifest } = registry.resolveClassifier(reference);
    const hierarchy = hierarchies.of(manifest.labels);
    return {
      model: name,
      version,
      classes: manifest.labels.map(({ label, synset = null }, index) => ({ index, label, synset })),
      concepts: (hierarchy?.concepts ?? []).map((concept) => ({
        ...described(concept, hierarchies.graph.depth(concept.synset)),
        parents: concept.parents,
        children: hierarchy?.children(concept.synset).map(({ synset }) => synset),
        classes: hierarchy?.classesOf(concept.synset),
      })),
    };
  }

  #concepts(synsets: readonly string[]): Concept[] {
    return synsets.flatMap((synset) => this.#parts.hierarchies.graph.find(synset) ?? []);
  }
}

function described({ synset, label, words, gloss }: Concept, depth: number) {
  return { synset, label, names: words, gloss: gloss ?? null, depth };
}

function named({ synset, label }: Concept) {
  return { synset, label };
}

function labelNotFound(synset: string): AppError {
  return new AppError(
    'label_not_found',
    `the labels of the zoo have no ${JSON.stringify(synset)}: give the WordNet 3.0 synset of a class or of what lies ` +
      'above one, such as n02084071 (dog); GET /models/{id}/labels lists those of a model',
    { context: { synset } },
  );
}
