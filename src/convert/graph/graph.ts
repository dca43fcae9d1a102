import { ConversionError } from '../conversion-error.ts';
import type { MapNode, Node, VectorNode } from './ir.ts';
import type { Weight } from './tensors.ts';

/** The outputs of a classifier. Emitted models have outputs of the same names. */
export interface GraphOutputs {
  readonly probabilities: VectorNode;
  readonly logits: VectorNode;
  /** The input of the last dense layer; without one, the mean of each channel of the activations. */
  readonly features: VectorNode;
  /** The map of the last convolution, which is the input of the final pooling. */
  readonly activations: MapNode;
  /** How unlike the training images an image is, `[1]`: above 1 it is unknown. Absent without a detector. */
  readonly novelty?: VectorNode;
}

/** A classifier: its outputs and all their dependencies. */
export interface Graph {
  /** Each node once, after its inputs. */
  readonly nodes: readonly Node[];
  readonly input: MapNode;
  readonly outputs: GraphOutputs;
}

/** @throws ConversionError when two layers have the same name, or one layer is more than one output */
export function createGraph(input: MapNode, outputs: GraphOutputs): Graph {
  const nodes = nodesUpTo(Object.values(outputs));
  const names = new Set<string>();
  for (const { name } of nodes) {
    if (names.has(name)) throw new ConversionError(`two layers are named "${name}"`);
    names.add(name);
  }
  if (new Set(Object.values(outputs)).size < Object.keys(outputs).length) {
    throw new ConversionError('each output must be a different layer');
  }
  return { nodes, input, outputs };
}

/** The number of readers of each node; being an output counts as one reader. */
export function countReaders({ nodes, outputs }: Graph): ReadonlyMap<Node, number> {
  const readers = new Map<Node, number>();
  const count = (node: Node) => readers.set(node, (readers.get(node) ?? 0) + 1);
  for (const { inputs } of nodes) inputs.forEach(count);
  Object.values(outputs).forEach(count);
  return readers;
}

/** The weights of a node, in the order of its formula. */
export function weightsOf({ operation }: Node): Weight[] {
  switch (operation.kind) {
    case 'conv2d':
    case 'dense':
      return operation.bias === undefined ? [operation.weight] : [operation.weight, operation.bias];
    case 'batch_norm':
      return [operation.scale, operation.shift, operation.mean, operation.variance];
    default:
      return [];
  }
}

/** The given nodes and all their dependencies: each once, after its inputs. */
export function nodesUpTo(roots: readonly Node[]): Node[] {
  const seen = new Set<Node>();
  const nodes: Node[] = [];
  const visit = (node: Node): void => {
    if (seen.has(node)) return;
    seen.add(node);
    node.inputs.forEach(visit);
    nodes.push(node);
  };
  roots.forEach(visit);
  return nodes;
}
