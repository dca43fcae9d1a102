import { z } from 'zod';
import {
  add,
  averagePool,
  batchNorm,
  concat,
  dense,
  flatten,
  globalAveragePool,
  join,
  maxPool,
  rescale,
} from '../../graph/ir.ts';
import { activated, readActivation, readElu, readLeakyRelu, readRelu, readSoftmax } from './activations.ts';
import { poolWindow, readConvolution, readDepthwise, readSeparable } from './convolutions.ts';
import { constantWeight, denseWeight, vectorWeight } from './kernels.ts';
import { activationOption, channelsLastOption, type LayerReading } from './layer-reading.ts';
import { readFlatten, readPermute, readReshape, readZeroPadding } from './shapes.ts';
import { mapValue, type Value } from './values.ts';

/** Reads one call of a layer into the layer graph. @throws ConversionError that names the layer and its class */
export function readLayer(layer: LayerReading): Value {
  const read = READERS.get(layer.className);
  if (read !== undefined) return read(layer);
  return layer.fail(`layers of this class are not supported; the supported ones are ${[...READERS.keys()].join(', ')}`);
}

type LayerReader = (layer: LayerReading) => Value;

/** For layers that only act during training. */
const passing: LayerReader = (layer) => layer.input();

/** Readers by Keras class. */
const READERS: ReadonlyMap<string, LayerReader> = new Map<string, LayerReader>([
  ['Conv2D', readConvolution],
  ['DepthwiseConv2D', readDepthwise],
  ['SeparableConv2D', readSeparable],
  ['BatchNormalization', readBatchNorm],
  ['Activation', readActivation],
  ['ReLU', readRelu],
  ['LeakyReLU', readLeakyRelu],
  ['ELU', readElu],
  ['Softmax', readSoftmax],
  ['MaxPooling2D', (layer) => mapValue(maxPool(layer.name, layer.map(), poolWindow(layer)))],
  [
    'AveragePooling2D',
    (layer) => mapValue(averagePool(layer.name, layer.map(), { ...poolWindow(layer), countPadding: false })),
  ],
  ['GlobalAveragePooling2D', readGlobalAverage],
  ['GlobalMaxPooling2D', readGlobalMax],
  ['ZeroPadding2D', readZeroPadding],
  ['Flatten', readFlatten],
  ['Reshape', readReshape],
  ['Permute', readPermute],
  ['Dense', readDense],
  ['Add', readAdd],
  ['Concatenate', readConcatenate],
  ['Rescaling', readRescaling],
  ['Dropout', passing],
  ['SpatialDropout2D', passing],
  ['GaussianDropout', passing],
  ['GaussianNoise', passing],
]);

function readBatchNorm(layer: LayerReading): Value {
  const options = layer.options(
    z.object({
      axis: z.union([z.int(), z.tuple([z.int()]).transform(([axis]) => axis)]).default(-1),
      epsilon: z.number().nonnegative().default(1e-3),
      center: z.boolean().default(true),
      scale: z.boolean().default(true),
    }),
  );
  const value = layer.mapOrVector();
  const last = value.kind === 'map' || value.pixel ? 3 : 1;
  if (options.axis !== -1 && options.axis !== last)
    layer.fail(`its axis is ${options.axis}; only the last axis is supported`);
  const flattened = value.kind === 'vector' ? value.flattened : undefined;
  const vector = (kind: string, name: string) =>
    vectorWeight(`${layer.name}.${name}`, layer.weight(kind, 1), flattened);
  const channels = value.kind === 'map' ? value.node.shape.channels : value.node.shape.length;
  const weights = {
    scale: options.scale ? vector('gamma', 'weight') : constantWeight(`${layer.name}.weight`, channels, 1),
    shift: options.center ? vector('beta', 'bias') : constantWeight(`${layer.name}.bias`, channels, 0),
    mean: vector('moving_mean', 'running_mean'),
    variance: vector('moving_variance', 'running_var'),
    epsilon: options.epsilon,
  };
  return value.kind === 'map'
    ? mapValue(batchNorm(layer.name, value.node, weights))
    : { ...value, node: batchNorm(layer.name, value.node, weights) };
}

const globalPoolSchema = z.object({ keepdims: z.boolean().nullish(), data_format: channelsLastOption });

function readGlobalAverage(layer: LayerReading): Value {
  const { keepdims } = layer.options(globalPoolSchema);
  return { kind: 'vector', node: globalAveragePool(layer.name, layer.map()), pixel: keepdims === true };
}

function readGlobalMax(layer: LayerReading): Value {
  const { keepdims } = layer.options(globalPoolSchema);
  const x = layer.map();
  const pooled = maxPool(`${layer.name}.max`, x, { kernel: [x.shape.height, x.shape.width] });
  return { kind: 'vector', node: flatten(layer.name, pooled), pixel: keepdims === true };
}

function readDense(layer: LayerReading): Value {
  const options = layer.options(z.object({ activation: activationOption, use_bias: z.boolean().default(true) }));
  const value = layer.input();
  if (value.kind !== 'vector') return layer.fail('its input is a map; a dense layer over each cell is not supported');
  const node = dense(layer.name, value.node, {
    weight: denseWeight(`${layer.name}.weight`, layer.weight('kernel', 2), value.flattened),
    bias: options.use_bias ? { ...layer.weight('bias', 1), name: `${layer.name}.bias` } : undefined,
  });
  const made = { kind: 'vector', node, pixel: value.pixel } as const;
  return activated(layer, `${layer.name}.${options.activation}`, made, options.activation);
}

/** Adds two or more inputs, one after the other. */
function readAdd(layer: LayerReading): Value {
  const [first, ...others] = layer.inputs;
  if (first === undefined || others.length === 0) return layer.fail('it needs at least two inputs');
  return others.reduce((sum, value, index): Value => {
    const name = index === others.length - 1 ? layer.name : `${layer.name}.${index}`;
    if (sum.kind === 'map' && value.kind === 'map') return mapValue(add(name, sum.node, value.node));
    if (sum.kind === 'vector' && value.kind === 'vector' && alike(sum.flattened, value.flattened)) {
      const { flattened, pixel } = sum;
      return { kind: 'vector', node: add(name, sum.node, value.node), flattened, pixel };
    }
    return layer.fail('its inputs have different shapes');
  }, first);
}

function readConcatenate(layer: LayerReading): Value {
  const { axis } = layer.options(z.object({ axis: z.int().default(-1) }));
  const values = layer.inputs;
  if (values.length < 2) return layer.fail('it needs at least two inputs');
  const maps = values.flatMap((value) => (value.kind === 'map' ? value.node : []));
  const vectors = values.flatMap((value) => (value.kind === 'vector' && !value.flattened ? value : []));
  const pixel = vectors[0]?.pixel === true;
  const last = maps.length > 0 || pixel ? 3 : 1;
  if (axis !== -1 && axis !== last) return layer.fail(`its axis is ${axis}; only the last axis is supported`);
  if (maps.length === values.length) return mapValue(concat(layer.name, maps));
  if (vectors.length < values.length || vectors.some((vector) => (vector.pixel === true) !== pixel)) {
    return layer.fail('its inputs have shapes that do not fit each other');
  }
  const node = join(
    layer.name,
    vectors.map((vector) => vector.node),
  );
  return { kind: 'vector', node, pixel };
}

function readRescaling(layer: LayerReading): Value {
  const one = z.number().transform((value) => [value, value, value]);
  const perChannel = z.union([one, z.array(z.number()).length(3)]);
  const { scale, offset } = layer.options(z.object({ scale: perChannel, offset: perChannel.default([0, 0, 0]) }));
  return mapValue(rescale(layer.name, layer.map(), scale, offset));
}

function alike(a: object | undefined, b: object | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
