import { batchNorm, type Node, rescale, type Shape } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { constantWeight } from './kernels.ts';

/** `x * scale + shift` by channel, for scales of any sign: a layer graph scales by positive numbers, or by a batch norm. */
export function affine<S extends Shape>(
  name: string,
  x: Node<S>,
  scale: readonly number[],
  shift: readonly number[],
): Node<S> {
  if (scale.every((value) => value > 0)) return rescale(name, x, scale, shift);
  return weighted(name, x, constants(`${name}.weight`, scale), constants(`${name}.bias`, shift));
}

/** `x * scale` by channel, where the scale is a weight. */
export function scaledBy<S extends Shape>(name: string, x: Node<S>, scale: Weight): Node<S> {
  const [channels = 0] = scale.shape;
  return weighted(name, x, { ...scale, name: `${name}.weight` }, constantWeight(`${name}.bias`, channels, 0));
}

/** `x * factor` */
export function times<S extends Shape>(name: string, x: Node<S>, factor: number): Node<S> {
  const channels = x.shape.kind === 'map' ? x.shape.channels : x.shape.length;
  return affine(name, x, Array<number>(channels).fill(factor), Array<number>(channels).fill(0));
}

function weighted<S extends Shape>(name: string, x: Node<S>, scale: Weight, shift: Weight): Node<S> {
  const [channels = 0] = scale.shape;
  return batchNorm(name, x, {
    scale,
    shift,
    mean: constantWeight(`${name}.running_mean`, channels, 0),
    variance: constantWeight(`${name}.running_var`, channels, 1),
    epsilon: 0,
  });
}

function constants(name: string, values: readonly number[]): Weight {
  return { name, shape: [values.length], read: async () => Float32Array.from(values) };
}
