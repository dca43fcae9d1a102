import { z } from 'zod';
import { conv2d, type MapNode } from '../../graph/ir.ts';
import type { LayerReading } from './layer-reading.ts';
import { mapValue, type Value } from './values.ts';

// Other orders of the colours, as `preprocess_input` of VGG and ResNet makes them in Keras.

/** `x[..., ::-1]`, which reverses the channels, or `x[..., 2]`, which takes one. */
export function readItem(layer: LayerReading): Value {
  const [x, ...indices] = layer.operands;
  const last = indices.at(-1);
  const others = indices.slice(0, -1);
  const isWhole = others.every((index) => index.kind === 'constant' && index.step === 1);
  if (x?.kind === 'map' && last?.kind === 'constant' && isWhole) {
    const { channels } = x.node.shape;
    const [channel, ...more] = last.values;
    if (last.step === -1) return reordered(layer, x.node, reversed(channels));
    if (channel !== undefined && channel < channels && channel >= -channels && more.length === 0) {
      return { kind: 'channel', node: x.node, channel: (channel + channels) % channels };
    }
  }
  return layer.fail('only x[..., ::-1] and x[..., channel] of a map are supported');
}

/** Puts channels of a map together. */
export function readStack(layer: LayerReading): Value {
  const { axis } = layer.options(z.object({ axis: z.int().default(0) }));
  const { inputs } = layer;
  const order = inputs.flatMap((value) => (value.kind === 'channel' ? value.channel : []));
  const [first, ...others] = inputs;
  const isOne = first?.kind === 'channel' && others.every((value) => value.node === first.node);
  if (!isOne || order.length < inputs.length || (axis !== -1 && axis !== 3)) {
    return layer.fail('it can put only channels of one map together, along the last axis');
  }
  return reordered(layer, first.node, order);
}

export function readFlip(layer: LayerReading): Value {
  layer.options(z.object({ axis: z.union([z.literal(-1), z.literal(3)], 'only the last axis is supported') }));
  const x = layer.map();
  return reordered(layer, x, reversed(x.shape.channels));
}

function reversed(channels: number): number[] {
  return Array.from({ length: channels }, (_, index) => channels - 1 - index);
}

/** A 1x1 convolution that passes the channels on in another order. */
function reordered({ name }: LayerReading, x: MapNode, order: readonly number[]): Value {
  const { channels } = x.shape;
  const read = async () => {
    const values = new Float32Array(order.length * channels);
    for (const [index, channel] of order.entries()) values[index * channels + channel] = 1;
    return values;
  };
  const weight = { name: `${name}.weight`, shape: [order.length, channels, 1, 1], read };
  return mapValue(conv2d(name, x, { weight }));
}
