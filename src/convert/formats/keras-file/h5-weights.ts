import type { TensorSource } from '../../graph/tensors.ts';
import { type KerasWeights, weightOf } from '../tfjs-import/keras-weights.ts';
import type { KerasDescription, KerasModel } from '../tfjs-import/model-json.ts';

/** The group of a whole model's weights in an `.h5` file. */
const WEIGHTS = 'model_weights';

/**
 * Weights of an `.h5` file. Each layer of the model has a group, in which its weights have the names that they had in
 * Keras, `conv2d/kernel:0` in Keras 2 and `sequential/conv2d/kernel` in Keras 3. The weights of a model that is a layer
 * are together in its group.
 */
export function h5Weights(model: KerasModel, tensors: TensorSource): KerasWeights {
  const paths = new Map(pathsOf(model, []));
  const names = [...tensors.names()];
  // A file of weights only has the groups of the layers at its top.
  const container = names.some((name) => name.startsWith(`${WEIGHTS}/`)) ? `${WEIGHTS}/` : '';
  return (layer, kind) => {
    const [group = '', ...inner] = paths.get(layer) ?? [];
    const prefix = `${container}${group}/`;
    let found = names.filter((name) => name.startsWith(prefix) && kindOf(name) === kind);
    // From the layer outwards: the same name may be used in several inner models.
    for (const part of inner.toReversed()) {
      const within = found.filter((name) => name.slice(prefix.length - 1).includes(`/${part}/`));
      if (part === layer.name || within.length > 0) found = within;
    }
    const [only] = found;
    if (only === undefined) return `weight "${group}/${kind}" is missing from the file`;
    if (found.length > 1) return `weight "${kind}" could be any of "${found.slice(0, 3).join('", "')}"`;
    return weightOf(tensors, only);
  };
}

/** The last part of a name. Keras 2 adds the number of the output. */
function kindOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1).replace(/:\d+$/, '');
}

/** The names of the models around each layer, and its own. */
function pathsOf(model: KerasModel, outer: readonly string[]): [KerasDescription, readonly string[]][] {
  return model.layers.flatMap((layer) => {
    const path = [...outer, layer.name];
    return [[layer, path], ...(layer.model === undefined ? [] : pathsOf(layer.model, path))];
  });
}
