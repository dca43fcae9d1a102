import { z } from 'zod';
import { conv2d, dense, type MapNode, mapInput } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { NO_PADDING, type Padding, type Pair, samePadding } from '../../graph/windows.ts';
import { activated } from './activations.ts';
import { convolutionWeight, denseWeight, depthwiseWeight, dilatedKernel } from './kernels.ts';
import { activationOption, channelsLastOption, type LayerReading, paddingOption, pairOption } from './layer-reading.ts';
import type { Value } from './values.ts';

const optionsSchema = z.object({
  kernel_size: pairOption,
  strides: pairOption.default([1, 1]),
  padding: paddingOption,
  data_format: channelsLastOption,
  dilation_rate: pairOption.nullish(),
  groups: z.int().positive().nullish(),
  activation: activationOption,
  use_bias: z.boolean().default(true),
});
type Options = z.output<typeof optionsSchema>;

export function readConvolution(layer: LayerReading): Value {
  const options = layer.options(optionsSchema);
  const kernel = layer.weight('kernel', 4);
  const value = layer.mapOrVector();
  if (value.kind === 'map') {
    const weight = convolutionWeight(`${layer.name}.weight`, dilated(kernel, options));
    const groups = options.groups ?? 1;
    return finished(layer, options, convolved(layer.name, value.node, options, weight, biasOf(layer, options), groups));
  }
  // A 1x1 convolution over a single cell is a dense layer.
  const [height, width] = options.kernel_size;
  if (!value.pixel || height !== 1 || width !== 1) return layer.fail('its input is a vector, not a map');
  const weight = denseWeight(`${layer.name}.weight`, kernel);
  const node = dense(layer.name, value.node, { weight, bias: biasOf(layer, options) });
  return activated(layer, `${layer.name}.${options.activation}`, { ...value, node }, options.activation);
}

export function readDepthwise(layer: LayerReading): Value {
  const options = layer.options(optionsSchema);
  const x = layer.map();
  const kernel = layer.weight(layer.isKeras3 ? 'kernel' : 'depthwise_kernel', 4);
  const weight = depthwiseWeight(`${layer.name}.weight`, dilated(kernel, options));
  return finished(layer, options, convolved(layer.name, x, options, weight, biasOf(layer, options), x.shape.channels));
}

/** A depthwise convolution followed by a 1x1 convolution. */
export function readSeparable(layer: LayerReading): Value {
  const options = layer.options(optionsSchema);
  const x = layer.map();
  const depthwise = depthwiseWeight(
    `${layer.name}.depthwise.weight`,
    dilated(layer.weight('depthwise_kernel', 4), options),
  );
  const pointwise = convolutionWeight(`${layer.name}.weight`, layer.weight('pointwise_kernel', 4));
  const seen = convolved(`${layer.name}.depthwise`, x, options, depthwise, undefined, x.shape.channels);
  const node = conv2d(layer.name, seen, { weight: pointwise, bias: biasOf(layer, options) });
  return finished(layer, options, node);
}

function finished(layer: LayerReading, { activation }: Options, node: MapNode): Value {
  return activated(layer, `${layer.name}.${activation}`, { kind: 'map', node }, activation);
}

function dilated(kernel: Weight, { dilation_rate: rate }: Options): Weight {
  return dilatedKernel(kernel, rate ?? [1, 1]);
}

function biasOf(layer: LayerReading, { use_bias }: Options): Weight | undefined {
  return use_bias ? { ...layer.weight('bias', 1), name: `${layer.name}.bias` } : undefined;
}

function convolved(
  name: string,
  x: MapNode,
  { strides: stride, padding }: Options,
  weight: Weight,
  bias: Weight | undefined,
  groups = 1,
): MapNode {
  const [, , height = 1, width = 1] = weight.shape;
  const kernel = [height, width] as const;
  const sides = padding === 'same' ? samePadding([x.shape.height, x.shape.width], kernel, stride) : NO_PADDING;
  // A zero padding before the convolution becomes part of the padding of the convolution.
  const { operation } = x;
  if (operation.kind !== 'zero_pad') return conv2d(name, x, { weight, bias, stride, padding: sides, groups });
  const both = sum(sides, operation.padding);
  return conv2d(name, mapInput(x), { weight, bias, stride, padding: both, groups });
}

function sum(a: Padding, b: Padding): Padding {
  return { top: a.top + b.top, bottom: a.bottom + b.bottom, left: a.left + b.left, right: a.right + b.right };
}

const poolSchema = z.object({
  pool_size: pairOption.default([2, 2]),
  strides: pairOption.nullish(),
  padding: paddingOption,
  data_format: channelsLastOption,
});

/** The window of a pool. */
export function poolWindow(layer: LayerReading): { kernel: Pair; stride: Pair; padding: Padding } {
  const { pool_size: kernel, strides, padding } = layer.options(poolSchema);
  const { height, width } = layer.map().shape;
  const stride = strides ?? kernel;
  return { kernel, stride, padding: padding === 'same' ? samePadding([height, width], kernel, stride) : NO_PADDING };
}
