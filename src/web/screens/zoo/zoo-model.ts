import type { ModelFacts, ModelList, ModelSummary, RepositoryEntry } from '../../api/schema.ts';

/** A model of the list. */
export interface ZooModel {
  readonly facts: ModelFacts;
  /** Undefined for a model whose weights are not on the server. */
  readonly here: ModelSummary | undefined;
  /** Whether it was unloaded, and answers nothing until it is loaded again. */
  readonly unloaded: boolean;
  /** Whether it was taught on this server. */
  readonly taught: boolean;
  /** The heading under which it is listed. */
  readonly family: string;
}

/** The reason of a version that was unloaded by request, as `model-serving.ts` writes it. */
const UNLOADED = /unloaded/;

export const TAUGHT = 'Taught here';

/** Families by what the names of their architectures contain. */
const FAMILIES = [
  ['ResNet', /resnet|resnext/],
  ['VGG', /vgg/],
  ['Inception', /inception|googlenet/],
  ['DenseNet', /densenet/],
  ['EfficientNet', /efficientnet/],
  ['MobileNet', /mobilenet/],
  ['SqueezeNet', /squeezenet/],
  ['AlexNet', /alexnet/],
] as const;

/** All models of a server, those to download among them. */
export function zooModels(list: ModelList, entries: readonly RepositoryEntry[]): ZooModel[] {
  const unloaded = new Set(
    entries.filter(({ version, reason }) => version !== undefined && UNLOADED.test(reason)).map(({ name }) => name),
  );
  const modelOf = (facts: ModelFacts, here?: ModelSummary): ZooModel => {
    const taught = isTaught(facts.id);
    return { facts, here, unloaded: unloaded.has(facts.id), taught, family: taught ? TAUGHT : familyOf(facts.id) };
  };
  return [...list.models.map((model) => modelOf(model, model)), ...list.not_pulled.map((facts) => modelOf(facts))];
}

/** Names of models of the zoo are `architecture.weights`, those of models that were taught here have no dot. */
function isTaught(id: string): boolean {
  return !id.includes('.');
}

function familyOf(id: string): string {
  return FAMILIES.find(([, pattern]) => pattern.test(id))?.[0] ?? 'Others';
}
