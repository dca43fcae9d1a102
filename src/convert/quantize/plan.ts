import { type Graph, nodesUpTo, weightsOf } from '../graph/graph.ts';
import type { ActivationFunction, Node } from '../graph/ir.ts';
import { isDepthwise } from './weights.ts';

/** What is computed in bytes, and which values are bytes in between. */
export interface QuantizationPlan {
  /** Layers whose weights are quantized: convolutions and dense layers. */
  readonly weighted: ReadonlySet<Node>;
  /** Layers whose outputs are quantized. */
  readonly values: ReadonlySet<Node>;
  /**
   * relu and relu6 layers that need no operator of their own: what they cut off lies outside of the range of their
   * quantized output.
   */
  readonly folded: ReadonlySet<Node>;
  /**
   * Layers that take the quantization of another one, which spares a runtime to compute bytes from other bytes: those
   * that only move or select values take that of their input, and those that only a concatenation reads take its.
   */
  readonly sameAs: ReadonlyMap<Node, Node>;
}

/** Layers whose output is made of unchanged values of their input. Padding needs zero in the range, which it is. */
const SELECTING: ReadonlySet<string> = new Set(['max_pool', 'zero_pad', 'crop']);
/** Layers of maps for which runtimes have an operator in bytes. */
const IN_BYTES: ReadonlySet<string> = new Set(['conv2d', 'add', 'concat', 'average_pool', ...SELECTING]);

/**
 * Plans the quantization of a classifier whose batch norms are folded. A layer of an unknown kind stays in floats, and
 * so do those that have no operator in bytes: they read bytes as floats, and their output becomes bytes again where
 * bytes are needed.
 */
export function planQuantization(graph: Graph): QuantizationPlan {
  const { nodes } = graph;
  // What is beside the way to the logits, such as a detector of unknown images, stays exact.
  const classifier = new Set(nodesUpTo([graph.outputs.logits]));
  const first = firstLayers(nodes);
  const weighted = new Set(
    nodes.filter((node) => classifier.has(node) && hasOwnWeights(node, nodes) && !first.has(node)),
  );
  const computed = new Set(nodes.filter((node) => isInBytes(node, weighted)));
  const readers = readersOf(nodes);
  const outputs = new Set<Node>(Object.values(graph.outputs));
  const values = new Set<Node>();
  for (const node of nodes) {
    const read = readers.get(node) ?? [];
    if (read.some((reader) => computed.has(reader))) values.add(node);
    // A vector leaves in floats, unless another layer of bytes reads it.
    else if (node.shape.kind === 'map' && (computed.has(node) || cutsBytes(node, computed))) values.add(node);
  }
  const folded = new Set(nodes.filter((node) => isClipping(node) && values.has(node)));
  // Only the cut value becomes bytes, where nothing else reads the uncut one.
  for (const node of values) {
    const read = readers.get(node) ?? [];
    if (read.length === 1 && read.every((reader) => folded.has(reader)) && !outputs.has(node)) values.delete(node);
  }
  const bounds = boundsOf(nodes);
  const sameAs = new Map<Node, Node>();
  for (const node of [...nodes].reverse().filter(({ operation }) => operation.kind === 'concat')) {
    for (const input of node.inputs) {
      if (!values.has(input) || !values.has(node) || SELECTING.has(input.operation.kind)) continue;
      // In a range that is not its own, a layer would not be cut.
      const fits = bounds.get(input) === bounds.get(node);
      if (fits && readers.get(input)?.length === 1) sameAs.set(input, sameAs.get(node) ?? node);
    }
  }
  for (const node of nodes) {
    const [input] = node.inputs;
    if (input !== undefined && SELECTING.has(node.operation.kind) && values.has(node) && values.has(input)) {
      sameAs.set(node, sameAs.get(input) ?? input);
    }
  }
  return { weighted, values, folded, sameAs };
}

/** Whether the layer has weights, all of which belong to it alone: a shared weight would need one scale for all. */
function hasOwnWeights(node: Node, nodes: readonly Node[]): boolean {
  if (node.operation.kind !== 'conv2d' && node.operation.kind !== 'dense') return false;
  const names = new Set(weightsOf(node).map(({ name }) => name));
  return nodes.every((other) => other === node || weightsOf(other).every(({ name }) => !names.has(name)));
}

/**
 * Layers that stay in floats: a convolution of the three colours, and the depthwise one that reads what it gives. In
 * bytes they would be no faster, since runtimes compute many channels at once. And they would cause most of the error:
 * a depthwise convolution makes the channels alike that share one scale before it.
 */
function firstLayers(nodes: readonly Node[]): ReadonlySet<Node> {
  const first = new Set<Node>();
  for (const node of nodes) {
    const [input] = node.inputs;
    if (input?.shape.kind !== 'map') continue;
    const readsColours = node.operation.kind === 'conv2d' && input.shape.channels <= 3;
    const goesOn = first.has(input) && (node.operation.kind === 'activation' || isDepthwise(node));
    if (readsColours || goesOn) first.add(node);
  }
  return first;
}

function isInBytes(node: Node, weighted: ReadonlySet<Node>): boolean {
  if (node.operation.kind === 'conv2d' || node.operation.kind === 'dense') return weighted.has(node);
  return node.shape.kind === 'map' && IN_BYTES.has(node.operation.kind);
}

function cutsBytes(node: Node, computed: ReadonlySet<Node>): boolean {
  return isClipping(node) && node.inputs.every((input) => computed.has(input));
}

/** For each layer whose values one function bounds all: that function. */
function boundsOf(nodes: readonly Node[]): ReadonlyMap<Node, ActivationFunction> {
  const bounds = new Map<Node, ActivationFunction>();
  for (const node of nodes) {
    const { operation, inputs } = node;
    const [first, ...others] = inputs.map((input) => bounds.get(input));
    const same = others.every((other) => other === first) ? first : undefined;
    const keeps = operation.kind === 'concat' || SELECTING.has(operation.kind);
    const bound = operation.kind === 'activation' && isClipping(node) ? operation.function : keeps ? same : undefined;
    if (bound !== undefined) bounds.set(node, bound);
  }
  return bounds;
}

function isClipping({ operation }: Node): boolean {
  return operation.kind === 'activation' && (operation.function === 'relu' || operation.function === 'relu6');
}

function readersOf(nodes: readonly Node[]): ReadonlyMap<Node, readonly Node[]> {
  const readers = new Map<Node, Node[]>();
  for (const node of nodes) {
    for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node]);
  }
  return readers;
}
