import { z } from 'zod';
import { flatten, zeroPad } from '../../graph/ir.ts';
import { channelsLastOption, type LayerReading } from './layer-reading.ts';
import { mapValue, type Value } from './values.ts';

type Sides = readonly [before: number, after: number];
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

/** The layer graph flattens channel by channel; layers that read the vector reorder their weights. */
export function readFlatten(layer: LayerReading): Value {
  layer.options(z.object({ data_format: channelsLastOption }));
  const value = layer.input();
  if (value.kind === 'channel') return layer.fail('its input is one channel of a map');
  if (value.kind === 'vector') return { ...value, pixel: false };
  const node = flatten(layer.name, value.node);
  if (value.kind === 'channels_first') return { kind: 'vector', node };
  const { height, width, channels } = value.node.shape;
  return { kind: 'vector', node, flattened: height * width === 1 ? undefined : { height, width, channels } };
}

/** Turns a map to channels first, which only a Flatten may follow. */
export function readPermute(layer: LayerReading): Value {
  layer.options(z.object({ dims: z.tuple([z.literal(3), z.literal(1), z.literal(2)], 'only [3, 1, 2] is supported') }));
  return { kind: 'channels_first', node: layer.map() };
}

/** Supports reshapes of a map to a vector, and of a vector to a map of one cell and back. */
export function readReshape(layer: LayerReading): Value {
  const { target_shape: target } = layer.options(z.object({ target_shape: z.array(z.int()).min(1) }));
  const value = layer.mapOrVector();
  const length = value.kind === 'vector' ? value.node.shape.length : undefined;
  const [last = 0] = target.slice(-1);
  if (value.kind === 'map') return target.length === 1 ? readFlatten(layer) : unsupported(layer, target);
  if (last !== -1 && last !== length) return unsupported(layer, target);
  if (target.length === 1) return { ...value, pixel: false };
  const pixel = target.length === 3 && target[0] === 1 && target[1] === 1 && value.flattened === undefined;
  return pixel ? { ...value, pixel } : unsupported(layer, target);
}

function unsupported(layer: LayerReading, target: readonly number[]): never {
  return layer.fail(
    `a reshape to [${target}] is not supported; only to a vector, or from a vector to [1, 1, channels]`,
  );
}
