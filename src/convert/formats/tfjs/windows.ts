import { ConversionError } from '../../conversion-error.ts';
import { type ActivationFunction, mapInput, type Node, type Operation } from '../../graph/ir.ts';
import { NO_PADDING, type Padding, type Pair, paddingEquals, samePadding, type Window } from '../../graph/windows.ts';
import { CHANNELS_LAST, type KerasLayer, type Place } from './keras-layer.ts';

/** Padding that has no Keras name is a layer of zeros before a `valid` window. */
export function paddedInput(node: Node, { name, inputs }: Place, window: Window) {
  const mode = paddingMode(inputSize(node), window);
  if (mode !== undefined) return { padding: mode, before: [], inputs };
  const before = [zeroPadding(`${name}.pad`, inputs, window.padding)];
  return { padding: 'valid' as const, before, inputs: [`${name}.pad`] };
}

/**
 * Zeros around the map stand for minus infinity where nothing is below zero. Elsewhere a symmetric window of stride s
 * is one of stride 1, whose `same` padding never wins, and then every s-th of its outputs.
 */
export function maxPooling(node: Node, place: Place, window: Window): KerasLayer[] {
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
    const every = `${place.name}.every`;
    return [pool(every, place.inputs, kernel, [1, 1], 'same'), pool(place.name, [every], [1, 1], stride, 'valid')];
  }
  const padded = paddedInput(node, place, window);
  return [...padded.before, pool(place.name, padded.inputs, kernel, stride, padded.padding)];
}

/** Keras never counts padding, so padding that counts is a layer of zeros. */
export function averagePooling(
  node: Node,
  place: Place,
  { window, countPadding }: Extract<Operation, { kind: 'average_pool' }>,
): KerasLayer[] {
  const { kernel, stride, padding } = window;
  const counted = countPadding && !paddingEquals(padding, NO_PADDING);
  const mode = paddingMode(inputSize(node), window);
  if (!countPadding && mode === undefined) throw inexpressible(node, 'average pool');
  const zeros = counted ? [zeroPadding(`${place.name}.pad`, place.inputs, padding)] : [];
  return [
    ...zeros,
    {
      name: place.name,
      className: 'AveragePooling2D',
      config: { pool_size: kernel, strides: stride, padding: counted ? 'valid' : mode, ...CHANNELS_LAST },
      inputs: counted ? [`${place.name}.pad`] : place.inputs,
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

/** A window's padding by its Keras name, where it has one. */
function paddingMode(size: Pair, { kernel, stride, padding }: Window): 'valid' | 'same' | undefined {
  if (paddingEquals(padding, NO_PADDING)) return 'valid';
  return paddingEquals(padding, samePadding(size, kernel, stride)) ? 'same' : undefined;
}

const NON_NEGATIVE: readonly ActivationFunction[] = ['relu', 'relu6', 'sigmoid', 'hard_sigmoid', 'softplus'];

/** Whether no value can be below zero, as far as the layers say. */
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
    case 'add':
      return inputs.every(isNonNegative);
    default:
      return false;
  }
}

function inexpressible({ name }: Node, what: string): ConversionError {
  return new ConversionError(`layer "${name}": a TF.js layers model has no ${what} of this padding`);
}
