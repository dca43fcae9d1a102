import { createGraph, type Graph } from './graph.ts';
import type { MapNode, Node, VectorNode } from './ir.ts';

/** Returns the replacement of a node. The inputs of `node` are already replaced; `original` is as it was. */
export type Rule = (node: Node, original: Node) => Node;

/** Builds a new graph by applying a rule to each node, from the pixels on. A rule must not change shapes. */
export function rewrite(graph: Graph, rule: Rule): Graph {
  const replaced = new Map<Node, Node>();
  const replacement = <N extends Node>(node: N): N => {
    const found = replaced.get(node);
    if (found === undefined) throw new Error(`layer "${node.name}" is read before it was rewritten`);
    return sameKind(node, found);
  };
  for (const node of graph.nodes) {
    const inputs = node.inputs.map(replacement);
    const moved = inputs.some((input, index) => input !== node.inputs[index]) ? { ...node, inputs } : node;
    replaced.set(node, rule(moved, node));
  }
  const { probabilities, logits, features, activations, novelty } = graph.outputs;
  return createGraph(replacement(graph.input), {
    probabilities: replacement<VectorNode>(probabilities),
    logits: replacement<VectorNode>(logits),
    features: replacement<VectorNode>(features),
    activations: replacement<MapNode>(activations),
    ...(novelty !== undefined && { novelty: replacement<VectorNode>(novelty) }),
  });
}

function sameKind<N extends Node>(original: N, replacement: Node): N {
  if (JSON.stringify(original.shape) !== JSON.stringify(replacement.shape)) {
    throw new Error(`the rewrite of layer "${original.name}" changed its shape`);
  }
  return replacement as N;
}
