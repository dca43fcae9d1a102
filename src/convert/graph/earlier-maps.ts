import { nodesUpTo } from './graph.ts';
import { type MapNode, mapInput, type Node, type VectorNode } from './ir.ts';

/** Layers that compute nothing new. */
const TRIVIAL_LAYERS: ReadonlySet<string> = new Set(['pixels', 'normalize', 'zero_pad', 'crop']);

/**
 * The maps that summarise the network so far, from the pixels to the activations: at each scale (each has half the
 * size of the one before), the last layer that every path to the activations passes through. These are the ends of
 * the stages of a ResNet, and the inputs of the pools of a VGG or Inception. The map whose means are `features` is
 * not among them.
 */
export function earlierMaps(activations: MapNode, features: VectorNode): MapNode[] {
  const byScale = new Map<number, MapNode>();
  for (const node of passages(activations)) {
    if (!TRIVIAL_LAYERS.has(node.operation.kind)) byScale.set(scaleOf(node, activations), node);
  }
  const { operation } = features;
  const own = operation.kind === 'global_average_pool' ? mapInput(features) : undefined;
  return [...byScale.values()].filter((map) => map !== own);
}

/** How many times the map would have to be halved to the size of the activations; rounding ignores lost borders. */
function scaleOf({ shape }: MapNode, activations: MapNode): number {
  return Math.round(Math.log2(shape.height / activations.shape.height));
}

/** The maps that every path from the pixels to `end` passes through, in order. */
function passages(end: MapNode): MapNode[] {
  const nodes = nodesUpTo([end]);
  const positions = new Map<Node, number>(nodes.map((node, position) => [node, position]));
  // Every node leads to the end, so a path around a node has an edge from a node before it to one after it.
  const furthest = nodes.map((_, position) => position);
  nodes.forEach(({ inputs }, position) => {
    for (const input of inputs) furthest[positions.get(input) ?? 0] = position;
  });
  let reached = 0;
  return nodes.filter((node, position): node is MapNode => {
    const passed = reached <= position;
    reached = Math.max(reached, furthest[position] ?? 0);
    return passed && node.shape.kind === 'map';
  });
}
