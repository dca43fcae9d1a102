import { z } from 'zod';
import {
  ACTIVATION_FUNCTIONS,
  type ActivationFunction,
  activation,
  flatten,
  leakyRelu,
  type Node,
  type Shape,
  softmax,
} from '../../graph/ir.ts';
import { COMPOSED_ACTIVATIONS, clipped, eluOf, prelu } from './composed-activations.ts';
import { vectorWeight } from './kernels.ts';
import { activationOption, type LayerReading } from './layer-reading.ts';
import { type MapValue, mapValue, type Value, type VectorValue } from './values.ts';

type Activatable = MapValue | VectorValue;

/** Names that differ from those of the layer graph. */
const OTHER_NAMES: Readonly<Record<string, ActivationFunction>> = {
  silu: 'swish',
  hardSigmoid: 'hard_sigmoid',
  hard_silu: 'hard_swish',
};
/** The slope of Keras's `leaky_relu` activation; that of the layer `LeakyReLU` is 0.3. */
const LEAKY_SLOPE = 0.2;

/** Applies the activation function of a Keras layer, as a separate layer. */
export function activated(layer: LayerReading, name: string, value: Activatable, functionName: string): Activatable {
  if (functionName === 'linear') return value;
  if (functionName === 'softmax') {
    if (value.kind === 'map') {
      const { height, width } = value.node.shape;
      if (height * width > 1) return layer.fail('a softmax over each cell of a map is not supported');
      return { kind: 'vector', node: softmax(name, flatten(`${name}.flatten`, value.node)), pixel: true };
    }
    return { ...value, node: softmax(name, value.node) };
  }
  if (functionName === 'leaky_relu') return leakyRelued(name, value, LEAKY_SLOPE);
  if (functionName === 'hard_sigmoid' && layer.isKeras3) return activated(layer, name, value, 'keras3_hard_sigmoid');
  const compose = COMPOSED_ACTIVATIONS.get(functionName);
  if (compose !== undefined) return withNode(value, (node) => compose(name, node));
  const known = OTHER_NAMES[functionName] ?? ACTIVATION_FUNCTIONS.find((candidate) => candidate === functionName);
  if (known === undefined) return layer.fail(`the activation "${functionName}" is not supported`);
  return withNode(value, (node) => activation(name, node, known));
}

/** The value after layers that keep its shape. */
function withNode(value: Activatable, apply: <S extends Shape>(node: Node<S>) => Node<S>): Activatable {
  return value.kind === 'map' ? mapValue(apply(value.node)) : { ...value, node: apply(value.node) };
}

export function readActivation(layer: LayerReading): Value {
  const options = layer.options(z.object({ activation: activationOption }));
  return activated(layer, layer.name, layer.mapOrVector(), options.activation);
}

export function readRelu(layer: LayerReading): Value {
  const options = layer.options(
    z.object({
      max_value: z.number().positive().nullish(),
      negative_slope: z.number().nullish(),
      threshold: z.literal(0, 'only 0 is supported').nullish(),
    }),
  );
  const slope = options.negative_slope ?? 0;
  const { max_value: top } = options;
  if (slope === 0 && top) return withNode(layer.mapOrVector(), (node) => clipped(layer.name, node, top));
  if (slope === 0) return activated(layer, layer.name, layer.mapOrVector(), 'relu');
  if (top) return layer.fail('max_value and negative_slope together are not supported');
  return leaky(layer, slope);
}

export function readLeakyRelu(layer: LayerReading): Value {
  const options = layer.options(z.object({ alpha: z.number().nullish(), negative_slope: z.number().nullish() }));
  return leaky(layer, options.negative_slope ?? options.alpha ?? 0.3);
}

export function readElu(layer: LayerReading): Value {
  const { alpha } = layer.options(z.object({ alpha: z.number().nullish() }));
  return withNode(layer.mapOrVector(), (node) => eluOf(layer.name, node, alpha ?? 1));
}

/** Its slopes are shared by all cells of a map, or there is one for each value of a vector. */
export function readPrelu(layer: LayerReading): Value {
  const value = layer.mapOrVector();
  if (value.kind === 'vector') {
    const slope = vectorWeight(`${layer.name}.alpha`, layer.weight('alpha', 1), value.flattened);
    return withNode(value, (node) => prelu(layer.name, node, slope));
  }
  const slope = layer.weight('alpha', 3);
  const [height, width, channels = 0] = slope.shape;
  if (height !== 1 || width !== 1)
    return layer.fail('only slopes that all cells share are supported: shared_axes=[1, 2]');
  return withNode(value, (node) => prelu(layer.name, node, { ...slope, shape: [channels] }));
}

export function readSoftmax(layer: LayerReading): Value {
  const { axis } = layer.options(z.object({ axis: z.int().nullish() }));
  const value = layer.mapOrVector();
  const last = value.kind === 'map' || value.pixel ? 3 : 1;
  if ((axis ?? -1) !== -1 && axis !== last) layer.fail(`its axis is ${axis}; only the last axis is supported`);
  return activated(layer, layer.name, value, 'softmax');
}

function leaky(layer: LayerReading, slope: number): Value {
  return leakyRelued(layer.name, layer.mapOrVector(), slope);
}

function leakyRelued(name: string, value: Activatable, slope: number): Activatable {
  return withNode(value, (node) => leakyRelu(name, node, slope));
}
