import { nodesUpTo } from './graph.ts';
import { type MapNode, mapInput, type Node, type VectorNode } from './ir.ts';

/** Layers whose map holds nothing that the one before it does not hold. */
const EMPTY_LAYERS: ReadonlySet<string> = new Set(['pixels', 'normalize', 'zero_pad']);

/**
 * The maps in a network that say what it has seen so far, from the pixels to the activations: at each scale, of which one is
 * half the other, the last layer through which all that follows must go. That is the end of each stage of a ResNet, and
 * what each pooling of a VGG or Inception reads. What `features` are the means of is not among them.
 */
export function earlierMaps(activations: MapNode, features: VectorNode): MapNode[] {
  const byScale = new Map<number, MapNode>();
  for (const node of passages(activations)) {
    if (!EMPTY_LAYERS.has(node.operation.kind)) byScale.set(scaleOf(node, activations), node);
  }
  const { operation } = features;
  const own = operation.kind === 'global_average_pool' ? mapInput(features) : undefined;
  return [...byScale.values()].filter((map) => map !== own);
}

/** How often the map was halved less than the activations were; unpadded convolutions that take off a border don't count. */
function scaleOf({ shape }: MapNode, activations: MapNode): number {
  return Math.round(Math.log2(shape.height / activations.shape.height));
}

/** The maps that every way from the pixels to `end` leads through, in their order. */
function passages(end: MapNode): MapNode[] {
  const nodes = nodesUpTo([end]);
  const positions = new Map<Node, number>(nodes.map((node, position) => [node, position]));
  // Every node leads to the end, so that a way around a node is an edge from before it to behind it.
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
