import type { TensorSource } from '../../graph/tensors.ts';
import { type KerasWeights, weightOf } from '../tfjs-import/keras-weights.ts';
import type { KerasDescription, KerasModel } from '../tfjs-import/model-json.ts';

/** Tensors in groups, by path. Groups may be empty. */
interface GroupedTensors extends TensorSource {
  readonly groups: Iterable<string>;
}

/** Groups of the layers of a model; the second one in Keras 2. */
const CONTAINERS = ['layers', '_layer_checkpoint_dependencies'];

/**
 * Weights of a `model.weights.h5`. Layers are not stored by their names, but by their classes and places:
 * `layers/conv2d_1/vars/0` is the first variable of the second convolution, and those of a model that is the first
 * layer of its kind begin with `layers/functional/layers/`.
 */
export function storeWeights(model: KerasModel, tensors: GroupedTensors): KerasWeights {
  const groups = new Map(groupsIn(model, childrenOf(tensors.groups), ''));
  return (layer, kind) => {
    const group = groups.get(layer);
    if (group === undefined) return `the file has not as many groups of weights as the model has ${layer.className}s`;
    const kinds = variablesOf(layer);
    const index = kinds.findIndex((names) => names.includes(kind));
    const count = [...tensors.names()].filter((name) => name.startsWith(`${group}/vars/`)).length;
    if (count !== kinds.length) return `"${group}" has ${count} variables, not ${kinds.length}`;
    const name = `${group}/vars/${index}`;
    return tensors.shape(name) === undefined ? `weight "${kind}" is missing: "${name}"` : weightOf(tensors, name);
  };
}

/** The groups in each group. */
type Tree = ReadonlyMap<string, readonly string[]>;

function childrenOf(groups: Iterable<string>): Tree {
  const tree = new Map<string, string[]>();
  for (const path of groups) {
    const end = path.lastIndexOf('/');
    const [parent, child] = [path.slice(0, Math.max(end, 0)), path.slice(end + 1)];
    tree.set(parent, [...(tree.get(parent) ?? []), child]);
  }
  return tree;
}

/** The group of each layer. Some versions leave out numbers, so the groups of a class are taken in their order. */
function groupsIn(model: KerasModel, tree: Tree, prefix: string): [KerasDescription, string][] {
  const container = CONTAINERS.map((name) => `${prefix}${name}`).find((name) => tree.has(name)) ?? '';
  const classes = new Set(model.layers.map(groupName));
  return [...classes].flatMap((name) => {
    const layers = model.layers.filter((layer) => groupName(layer) === name);
    const groups = (tree.get(container) ?? [])
      .filter((group) => group.startsWith(name) && /^(?:_\d+)?$/.test(group.slice(name.length)))
      .sort((a, b) => Number(a.slice(name.length + 1)) - Number(b.slice(name.length + 1)));
    if (groups.length !== layers.length) return [];
    return layers.flatMap((layer, index): [KerasDescription, string][] => {
      const group = `${container}/${groups[index]}`;
      return [[layer, group], ...(layer.model === undefined ? [] : groupsIn(layer.model, tree, `${group}/`))];
    });
  });
}

/** The class in snake case, as Keras makes it. */
function groupName({ className, model }: KerasDescription): string {
  return (model !== undefined && className === 'Model' ? 'Functional' : className)
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}

/** The names that each variable of a layer may have, in the order of the file. */
function variablesOf({ className, config }: KerasDescription): string[][] {
  const unless = (option: string, ...names: string[]) => (config[option] === false ? [] : [names]);
  const bias = unless('use_bias', 'bias');
  switch (className) {
    case 'BatchNormalization':
      return [...unless('scale', 'gamma'), ...unless('center', 'beta'), ['moving_mean'], ['moving_variance']];
    case 'Normalization':
      return [['mean'], ['variance'], ['count']];
    case 'PReLU':
      return [['alpha']];
    case 'SeparableConv2D':
      return [['depthwise_kernel'], ['pointwise_kernel'], ...bias];
    default:
      return [['kernel', 'depthwise_kernel'], ...bias];
  }
}
