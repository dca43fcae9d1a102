import type { TensorSource, Weight } from '../../graph/tensors.ts';
import type { KerasDescription } from './model-json.ts';

/** Finds a weight of a layer by its Keras name, such as `kernel`, or says why it cannot be found. */
export type KerasWeights = (layer: KerasDescription, kind: string) => Weight | string;

/** A tensor as a weight. @param name a tensor that the source has */
export function weightOf(tensors: TensorSource, name: string): Weight {
  return { name, shape: tensors.shape(name) ?? [], read: () => tensors.read(name) };
}

/** Weights that are named by layer and kind. Converters may add scopes before or after the name of the layer. */
export function scopedWeights(tensors: TensorSource): KerasWeights {
  return ({ name: layer }, kind) => {
    const exact = `${layer}/${kind}`;
    if (tensors.shape(exact) !== undefined) return weightOf(tensors, exact);
    const scoped = [...tensors.names()].filter(
      (name) => `/${name}`.includes(`/${layer}/`) && name.endsWith(`/${kind}`),
    );
    const [only] = scoped;
    if (only === undefined) return `weight "${exact}" is missing`;
    if (scoped.length > 1) return `weight "${exact}" could be any of "${scoped.slice(0, 3).join('", "')}"`;
    return weightOf(tensors, only);
  };
}
