import { z } from 'zod';
import { ConversionError } from '../conversion-error.ts';
import {
  ACTIVATION_FUNCTIONS,
  activation,
  add,
  averagePool,
  batchNorm,
  concat,
  conv2d,
  crop,
  dense,
  flatten,
  globalAveragePool,
  join,
  leakyRelu,
  type MapNode,
  maxPool,
  multiply,
  type Node,
  rescale,
  type VectorNode,
  zeroPad,
} from '../graph/ir.ts';
import type { Checkpoint } from './checkpoint.ts';
import { defineFamily } from './family.ts';

/** The deepest classifiers have about a thousand layers. */
const MAX_LAYERS = 5000;
/** Name of the normalised pixels, which the first layers read. */
export const GRAPH_INPUT = 'input';
/** Name of the dense layer that reads the features and gives the logits. */
export const GRAPH_CLASSIFIER = 'classifier';

const name = z.string().regex(/^[A-Za-z0-9][\w.-]{0,199}$/);
const size = z.int().positive();
const pairSchema = z.tuple([size, size]);
const paddingSchema = z.strictObject({
  top: z.int().nonnegative(),
  bottom: z.int().nonnegative(),
  left: z.int().nonnegative(),
  right: z.int().nonnegative(),
});
const one = z.tuple([name]);
const several = z.array(name).min(2).max(1000);
const finite = z.number();

/** A layer, with the names of its inputs and of its tensors in the weights file. */
const layerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('normalize'),
    name,
    inputs: one,
    scale: z.array(finite.positive()).min(1),
    shift: z.array(finite).min(1),
  }),
  z.strictObject({
    kind: z.literal('conv2d'),
    name,
    inputs: one,
    weight: name,
    bias: name.optional(),
    stride: pairSchema,
    padding: paddingSchema,
    groups: size,
  }),
  z.strictObject({
    kind: z.literal('batch_norm'),
    name,
    inputs: one,
    scale: name,
    shift: name,
    mean: name,
    variance: name,
    epsilon: finite.nonnegative(),
  }),
  z.strictObject({ kind: z.literal('activation'), name, inputs: one, function: z.enum(ACTIVATION_FUNCTIONS) }),
  z.strictObject({ kind: z.literal('leaky_relu'), name, inputs: one, slope: finite }),
  z.strictObject({
    kind: z.literal('max_pool'),
    name,
    inputs: one,
    kernel: pairSchema,
    stride: pairSchema,
    padding: paddingSchema,
  }),
  z.strictObject({
    kind: z.literal('average_pool'),
    name,
    inputs: one,
    kernel: pairSchema,
    stride: pairSchema,
    padding: paddingSchema,
    count_padding: z.boolean(),
  }),
  z.strictObject({ kind: z.literal('global_average_pool'), name, inputs: one }),
  z.strictObject({ kind: z.literal('zero_pad'), name, inputs: one, padding: paddingSchema }),
  z.strictObject({ kind: z.literal('crop'), name, inputs: one, removed: paddingSchema }),
  z.strictObject({ kind: z.literal('multiply'), name, inputs: z.tuple([name, name]) }),
  z.strictObject({ kind: z.literal('add'), name, inputs: z.tuple([name, name]) }),
  z.strictObject({ kind: z.literal('concat'), name, inputs: several }),
  z.strictObject({ kind: z.literal('flatten'), name, inputs: one }),
  z.strictObject({ kind: z.literal('dense'), name, inputs: one, weight: name, bias: name.optional() }),
]);
export type GraphLayer = z.output<typeof layerSchema>;

export const graphSchema = z.strictObject({
  family: z.literal('graph'),
  /** Height and width that the layers were laid out for; their padding is wrong for any other size. */
  input_size: pairSchema,
  /** Each layer after the layers that it reads. */
  layers: z.array(layerSchema).min(1).max(MAX_LAYERS),
  activations: name,
  features: name,
});
export type GraphTable = z.output<typeof graphSchema>;

/** Networks that are given layer by layer; none of them has a name. */
export const graph = defineFamily({
  schema: graphSchema,
  variants: {},
  build: (table, checkpoint, input) => {
    const [height, width] = table.input_size;
    if (input.shape.height !== height || input.shape.width !== width) {
      throw new ConversionError(
        `the graph takes images of ${height}x${width}, not of ${input.shape.height}x${input.shape.width}`,
      );
    }
    expectUnique([GRAPH_INPUT, ...table.layers.map((layer) => layer.name)]);
    const built = new Map<string, Node>([[GRAPH_INPUT, input]]);
    const build = (target: string): Node => {
      for (const layer of layersUpTo(table, target)) {
        if (!built.has(layer.name)) built.set(layer.name, buildLayer(layer, checkpoint, built));
      }
      return found(built, target, 'outputs');
    };
    return {
      activations: asMap(build(table.activations), 'activations'),
      features: () => asVector(build(table.features), 'features'),
      classifier: { kind: 'dense', name: GRAPH_CLASSIFIER },
    };
  },
});

function expectUnique(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const layer of names) {
    if (seen.has(layer)) throw new ConversionError(`two layers are named "${layer}"`);
    seen.add(layer);
  }
}

/** A layer and all its dependencies, in their order. */
function layersUpTo({ layers }: GraphTable, target: string): GraphLayer[] {
  const needed = new Set([target]);
  return layers
    .toReversed()
    .filter((layer) => {
      if (!needed.has(layer.name)) return false;
      for (const input of layer.inputs) needed.add(input);
      return true;
    })
    .reverse();
}

function buildLayer(layer: GraphLayer, checkpoint: Checkpoint, built: ReadonlyMap<string, Node>): Node {
  const inputs = layer.inputs.map((input) => found(built, input, layer.name));
  const [x, second] = inputs;
  if (x === undefined) throw new ConversionError(`layer "${layer.name}" reads nothing`);
  const optional = (tensor: string | undefined) => (tensor === undefined ? undefined : checkpoint.stored(tensor));
  switch (layer.kind) {
    case 'normalize':
      return rescale(layer.name, x, layer.scale, layer.shift);
    case 'conv2d':
      return conv2d(layer.name, asMap(x, layer.name), {
        ...layer,
        weight: checkpoint.stored(layer.weight),
        bias: optional(layer.bias),
      });
    case 'batch_norm':
      return batchNorm(layer.name, x, {
        scale: checkpoint.stored(layer.scale),
        shift: checkpoint.stored(layer.shift),
        mean: checkpoint.stored(layer.mean),
        variance: checkpoint.stored(layer.variance),
        epsilon: layer.epsilon,
      });
    case 'activation':
      return activation(layer.name, x, layer.function);
    case 'leaky_relu':
      return leakyRelu(layer.name, x, layer.slope);
    case 'max_pool':
      return maxPool(layer.name, asMap(x, layer.name), layer);
    case 'average_pool':
      return averagePool(layer.name, asMap(x, layer.name), { ...layer, countPadding: layer.count_padding });
    case 'global_average_pool':
      return globalAveragePool(layer.name, asMap(x, layer.name));
    case 'zero_pad':
      return zeroPad(layer.name, asMap(x, layer.name), layer.padding);
    case 'crop':
      return crop(layer.name, asMap(x, layer.name), layer.removed);
    case 'add':
    case 'multiply':
      if (second === undefined) throw new ConversionError(`layer "${layer.name}" needs two inputs, but has only one`);
      return layer.kind === 'add' ? add(layer.name, x, second) : multiply(layer.name, x, second);
    case 'concat':
      return x.shape.kind === 'map'
        ? concat(
            layer.name,
            inputs.map((input) => asMap(input, layer.name)),
          )
        : join(
            layer.name,
            inputs.map((input) => asVector(input, layer.name)),
          );
    case 'flatten':
      return flatten(layer.name, asMap(x, layer.name));
    case 'dense':
      return dense(layer.name, asVector(x, layer.name), {
        weight: checkpoint.stored(layer.weight),
        bias: optional(layer.bias),
      });
  }
}

function found(built: ReadonlyMap<string, Node>, wanted: string, reader: string): Node {
  const node = built.get(wanted);
  if (node === undefined)
    throw new ConversionError(`"${reader}" reads layer "${wanted}", which does not come before it`);
  return node;
}

function asMap(node: Node, reader: string): MapNode {
  if (node.shape.kind === 'map') return node as MapNode;
  throw new ConversionError(`"${reader}" needs a map, and layer "${node.name}" gives a vector`);
}

function asVector(node: Node, reader: string): VectorNode {
  if (node.shape.kind === 'vector') return node as VectorNode;
  throw new ConversionError(`"${reader}" needs a vector, and layer "${node.name}" gives a map`);
}
