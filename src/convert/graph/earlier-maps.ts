import { nodesUpTo } from './graph.ts';
import { type MapNode, mapInput, type Node, type VectorNode } from './ir.ts';

/** Layers that compute nothing new. */
const TRIVIAL_LAYERS: ReadonlySet<string> = new Set(['pixels', 'normalize', 'zero_pad', 'crop']);

const POOLS: ReadonlySet<string> = new Set(['max_pool', 'average_pool']);

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

/**
 * The map that enters the last stage: the layers at the scale of the activations. Every path to the activations passes
 * through it. A pool that begins the stage has no weights, so the map behind it is taken, which is smaller. In a ResNet
 * it is the end of the last stage but one; in a VGG or Inception, the output of the last pool before the activations.
 *
 * @returns undefined when the network has one scale only
 */
export function lastStageEntry(activations: MapNode): MapNode | undefined {
  const all = passages(activations);
  const last = all.findLastIndex((node) => scaleOf(node, activations) > 0);
  let entry = all[last];
  if (entry === undefined || TRIVIAL_LAYERS.has(entry.operation.kind)) return undefined;
  for (const next of all.slice(last + 1)) {
    if (!POOLS.has(next.operation.kind) || next.inputs[0] !== entry) break;
    entry = next;
  }
  return entry;
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
