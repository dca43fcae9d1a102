import { z } from 'zod';
import {
  ACTIVATION_FUNCTIONS,
  type ActivationFunction,
  activation,
  flatten,
  leakyRelu,
  softmax,
} from '../../graph/ir.ts';
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
  const known = OTHER_NAMES[functionName] ?? ACTIVATION_FUNCTIONS.find((candidate) => candidate === functionName);
  if (known === undefined) return layer.fail(`the activation "${functionName}" is not supported`);
  return value.kind === 'map'
    ? mapValue(activation(name, value.node, known))
    : { ...value, node: activation(name, value.node, known) };
}

export function readActivation(layer: LayerReading): Value {
  const options = layer.options(z.object({ activation: activationOption }));
  return activated(layer, layer.name, layer.mapOrVector(), options.activation);
}

export function readRelu(layer: LayerReading): Value {
  const options = layer.options(
    z.object({
      max_value: z.literal(6, 'only 6 or null is supported').nullish(),
      negative_slope: z.number().nullish(),
      threshold: z.literal(0, 'only 0 is supported').nullish(),
    }),
  );
  const slope = options.negative_slope ?? 0;
  if (slope === 0) return activated(layer, layer.name, layer.mapOrVector(), options.max_value === 6 ? 'relu6' : 'relu');
  if (options.max_value === 6) return layer.fail('max_value and negative_slope together are not supported');
  return leaky(layer, slope);
}

export function readLeakyRelu(layer: LayerReading): Value {
  const options = layer.options(z.object({ alpha: z.number().nullish(), negative_slope: z.number().nullish() }));
  return leaky(layer, options.negative_slope ?? options.alpha ?? 0.3);
}

export function readElu(layer: LayerReading): Value {
  layer.options(z.object({ alpha: z.literal(1, 'only 1 is supported').nullish() }));
  return activated(layer, layer.name, layer.mapOrVector(), 'elu');
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
  return value.kind === 'map'
    ? mapValue(leakyRelu(name, value.node, slope))
    : { ...value, node: leakyRelu(name, value.node, slope) };
}
