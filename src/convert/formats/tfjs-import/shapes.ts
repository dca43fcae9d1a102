import { z } from 'zod';
import { flatten, zeroPad } from '../../graph/ir.ts';
import type { LayerReading } from './layer-reading.ts';
import { channelsLastOption } from './options.ts';
import { mapValue, type Value } from './values.ts';

type Sides = readonly [before: number, behind: number];
const side = z.int().nonnegative();
const sides = z.union([side.transform((amount): Sides => [amount, amount]), z.tuple([side, side])]);
const around = z.union([
  side.transform((amount): [Sides, Sides] => [
    [amount, amount],
    [amount, amount],
  ]),
  z.tuple([sides, sides]),
]);

export function readZeroPadding(layer: LayerReading): Value {
  const options = layer.options(z.object({ padding: around.prefault(1), data_format: channelsLastOption }));
  const [[top, bottom], [left, right]] = options.padding;
  return mapValue(zeroPad(layer.name, layer.map(), { top, bottom, left, right }));
}

/** The layer graph flattens channel by channel; whoever reads the vector takes its weights in that order. */
export function readFlatten(layer: LayerReading): Value {
  layer.options(z.object({ data_format: channelsLastOption }));
  const value = layer.input();
  if (value.kind === 'vector') return { ...value, pixel: false };
  const node = flatten(layer.name, value.node);
  if (value.kind === 'channels_first') return { kind: 'vector', node };
  const { height, width, channels } = value.node.shape;
  return { kind: 'vector', node, flattened: height * width === 1 ? undefined : { height, width, channels } };
}

/** Turns a map to channels first, which matters to a flattening alone. */
export function readPermute(layer: LayerReading): Value {
  layer.options(z.object({ dims: z.tuple([z.literal(3), z.literal(1), z.literal(2)], 'only [3, 1, 2] can be read') }));
  return { kind: 'channels_first', node: layer.map() };
}

/** A map to a vector, or a vector to a map of a single pixel and back: all that classifiers do. */
export function readReshape(layer: LayerReading): Value {
  const { target_shape: target } = layer.options(z.object({ target_shape: z.array(z.int()).min(1) }));
  const value = layer.mapOrVector();
  const length = value.kind === 'vector' ? value.node.shape.length : undefined;
  const [last = 0] = target.slice(-1);
  if (value.kind === 'map') return target.length === 1 ? readFlatten(layer) : unreadable(layer, target);
  if (last !== -1 && last !== length) return unreadable(layer, target);
  if (target.length === 1) return { ...value, pixel: false };
  const pixel = target.length === 3 && target[0] === 1 && target[1] === 1 && value.flattened === undefined;
  return pixel ? { ...value, pixel } : unreadable(layer, target);
}

function unreadable(layer: LayerReading, target: readonly number[]): never {
  return layer.fail(`a reshape to [${target}] cannot be read; a vector, or [1, 1, channels] of one, can`);
}
