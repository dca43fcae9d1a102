import type { MapNode, VectorNode } from '../../graph/ir.ts';
import type { FlattenedMap } from './kernels.ts';

/** An input or output of a Keras layer, with the facts about its shape that the layer graph does not have. */
export type Value =
  | MapValue
  /** A map that Keras has with channels first; only a Flatten can follow. */
  | { readonly kind: 'channels_first'; readonly node: MapNode }
  /** One channel of a map; only a Stack, which puts channels together again, can follow. */
  | { readonly kind: 'channel'; readonly node: MapNode; readonly channel: number }
  | VectorValue;

export interface MapValue {
  readonly kind: 'map';
  readonly node: MapNode;
}

export interface VectorValue {
  readonly kind: 'vector';
  readonly node: VectorNode;
  /** The map before a Flatten: Keras has its values cell by cell, the layer graph channel by channel. */
  readonly flattened?: FlattenedMap | undefined;
  /** Whether Keras has the vector as a map of one cell. */
  readonly pixel?: boolean | undefined;
}

export function mapValue(node: MapNode): MapValue {
  return { kind: 'map', node };
}
