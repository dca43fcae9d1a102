import type { MapNode, VectorNode } from '../../graph/ir.ts';
import type { FlattenedMap } from './kernels.ts';

/** What a layer reads or makes, and how Keras would see it where the layer graph has it otherwise. */
export type Value =
  | MapValue
  /** A map that was turned to channels first; only a flattening can follow. */
  | { readonly kind: 'channels_first'; readonly node: MapNode }
  | VectorValue;

export interface MapValue {
  readonly kind: 'map';
  readonly node: MapNode;
}

export interface VectorValue {
  readonly kind: 'vector';
  readonly node: VectorNode;
  /** Keras has its values pixel by pixel of this map; the layer graph has them channel by channel. */
  readonly flattened?: FlattenedMap | undefined;
  /** Keras has it as a map of a single pixel. */
  readonly pixel?: boolean | undefined;
}

export function mapValue(node: MapNode): MapValue {
  return { kind: 'map', node };
}
