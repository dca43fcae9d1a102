import { z } from 'zod';
import { averagePool, batchNorm, concat, dense, flatten, globalAveragePool, join, maxPool } from '../../graph/ir.ts';
import { activated, readActivation, readElu, readLeakyRelu, readPrelu, readRelu, readSoftmax } from './activations.ts';
import { readAdd, readAverage, readDivide, readFunction, readMultiply, readSubtract } from './arithmetic.ts';
import { readFlip, readItem, readStack } from './channels.ts';
import { poolWindow, readConvolution, readDepthwise, readSeparable } from './convolutions.ts';
import { constantWeight, denseWeight, vectorWeight } from './kernels.ts';
import { activationOption, channelsLastOption, type LayerReading } from './layer-reading.ts';
import { readCenterCrop, readCropping, readNormalization, readRescaling, readResizing } from './preprocessing.ts';
import { readFlatten, readPermute, readReshape, readZeroPadding } from './shapes.ts';
import { mapValue, type Value } from './values.ts';

/** Reads one call of a layer into the layer graph. @throws ConversionError that names the layer and its class */
export function readLayer(layer: LayerReading): Value {
  if (isTrainingOnly(layer.className)) return layer.input();
  const read = READERS.get(layer.className);
  if (read !== undefined) return read(layer);
  return layer.fail(`layers of this class are not supported; the supported ones are ${[...READERS.keys()].join(', ')}`);
}

type LayerReader = (layer: LayerReading) => Value;

/** Layers that pass their input on, except during training. */
const TRAINING_ONLY: ReadonlySet<string> = new Set([
  'Identity',
  'DropPath',
  'Dropout',
  'SpatialDropout2D',
  'AlphaDropout',
  'GaussianDropout',
  'GaussianNoise',
  'ActivityRegularization',
  'RandomFlip',
  'RandomRotation',
  'RandomZoom',
  'RandomTranslation',
  'RandomContrast',
  'RandomBrightness',
  'RandomHeight',
  'RandomWidth',
  'RandomShear',
  'RandomPerspective',
  'RandomElasticTransform',
  'RandomGaussianBlur',
  'RandomInvert',
  'RandomErasing',
  'RandomColorJitter',
  'RandomColorDegeneration',
  'RandomGrayscale',
  'RandomHue',
  'RandomSaturation',
  'RandomSharpness',
  'RandomPosterization',
  'RandomApply',
  'RandAugment',
  'AugMix',
  'CutMix',
  'MixUp',
]);

/** Whether a layer of this class passes its input on, except during training: dropout and augmentation. */
export function isTrainingOnly(className: string): boolean {
  return TRAINING_ONLY.has(className);
}

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
  ['PReLU', readPrelu],
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
  ['Subtract', readSubtract],
  ['Multiply', readMultiply],
  ['Average', readAverage],
  ['Divide', readDivide],
  ['TrueDivide', readDivide],
  ['Concatenate', readConcatenate],
  ['Rescaling', readRescaling],
  ['Normalization', readNormalization],
  ['CenterCrop', readCenterCrop],
  ['Cropping2D', readCropping],
  ['Resizing', readResizing],
  ['RandomCrop', readResizing],
  ['TFOpLambda', readFunction],
  ['SlicingOpLambda', readFunction],
  ['GetItem', readItem],
  ['Stack', readStack],
  ['Flip', readFlip],
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
