import { ConversionError } from '../../conversion-error.ts';
import { type ActivationFunction, mapInput, type Node, type OperationOf } from '../../graph/ir.ts';
import {
  NO_PADDING,
  type Padding,
  type Pair,
  paddingEquals,
  type SlidingWindow,
  samePadding,
} from '../../graph/windows.ts';
import type { KerasLayer, LayerPosition } from './keras-layer.ts';

export const CHANNELS_LAST = { data_format: 'channels_last' };

/** The padding mode and inputs of a window layer. Padding without a Keras mode becomes a `ZeroPadding2D` before it. */
export function paddedInput(node: Node, { name, inputs }: LayerPosition, window: SlidingWindow) {
  const mode = paddingMode(inputSize(node), window);
  if (mode !== undefined) return { padding: mode, before: [], inputs };
  const before = [zeroPadding(`${name}.pad`, inputs, window.padding)];
  return { padding: 'valid' as const, before, inputs: [`${name}.pad`] };
}

/**
 * Zeros are equivalent to minus infinity when no value of the map is negative. Otherwise, a window with stride s and
 * the padding of `same` with stride 1 becomes a pool with stride 1 and `same`, followed by every s-th of its outputs.
 */
export function maxPooling(node: Node, position: LayerPosition, window: SlidingWindow): KerasLayer[] {
  const { kernel, stride, padding } = window;
  const size = inputSize(node);
  const pool = (name: string, inputs: readonly string[], pooled: Pair, strides: Pair, mode: string): KerasLayer => ({
    name,
    className: 'MaxPooling2D',
    config: { pool_size: pooled, strides, padding: mode, ...CHANNELS_LAST },
    inputs,
    weights: [],
  });
  const mode = paddingMode(size, window);
  if (mode === undefined && !isNonNegative(mapInput(node))) {
    if (!paddingEquals(padding, samePadding(size, kernel, [1, 1]))) throw inexpressible(node, 'max pool');
    const every = `${position.name}.every`;
    return [
      pool(every, position.inputs, kernel, [1, 1], 'same'),
      pool(position.name, [every], [1, 1], stride, 'valid'),
    ];
  }
  const padded = paddedInput(node, position, window);
  return [...padded.before, pool(position.name, padded.inputs, kernel, stride, padded.padding)];
}

/** Keras never counts padding, so padding that counts becomes a `ZeroPadding2D`. */
export function averagePooling(
  node: Node,
  position: LayerPosition,
  { window, countPadding }: OperationOf<'average_pool'>,
): KerasLayer[] {
  const { kernel, stride, padding } = window;
  const counted = countPadding && !paddingEquals(padding, NO_PADDING);
  const mode = paddingMode(inputSize(node), window);
  if (!countPadding && mode === undefined) throw inexpressible(node, 'average pool');
  const zeros = counted ? [zeroPadding(`${position.name}.pad`, position.inputs, padding)] : [];
  return [
    ...zeros,
    {
      name: position.name,
      className: 'AveragePooling2D',
      config: { pool_size: kernel, strides: stride, padding: counted ? 'valid' : mode, ...CHANNELS_LAST },
      inputs: counted ? [`${position.name}.pad`] : position.inputs,
      weights: [],
    },
  ];
}

export function zeroPadding(
  name: string,
  inputs: readonly string[],
  { top, bottom, left, right }: Padding,
): KerasLayer {
  const padding = [
    [top, bottom],
    [left, right],
  ];
  return { name, className: 'ZeroPadding2D', config: { padding, ...CHANNELS_LAST }, inputs, weights: [] };
}

export function inputSize(node: Node): Pair {
  const { height, width } = mapInput(node).shape;
  return [height, width];
}

/** The Keras mode of the padding of a window, if it has one. */
function paddingMode(size: Pair, { kernel, stride, padding }: SlidingWindow): 'valid' | 'same' | undefined {
  if (paddingEquals(padding, NO_PADDING)) return 'valid';
  return paddingEquals(padding, samePadding(size, kernel, stride)) ? 'same' : undefined;
}

const NON_NEGATIVE: readonly ActivationFunction[] = [
  'relu',
  'relu6',
  'sigmoid',
  'hard_sigmoid',
  'keras3_hard_sigmoid',
  'softplus',
];

/** Whether the layers guarantee that no value is negative. */
function isNonNegative({ operation, inputs }: Node): boolean {
  switch (operation.kind) {
    case 'activation':
      return NON_NEGATIVE.includes(operation.function);
    case 'softmax':
      return true;
    case 'max_pool':
    case 'average_pool':
    case 'zero_pad':
    case 'concat':
    case 'crop':
    case 'add':
    case 'multiply':
      return inputs.every(isNonNegative);
    default:
      return false;
  }
}

function inexpressible({ name }: Node, what: string): ConversionError {
  return new ConversionError(`layer "${name}": TF.js layers models have no ${what} with this padding`);
}
