import { ConversionError } from '../conversion-error.ts';
import { type Graph, nodesUpTo } from './graph.ts';
import type { Node, Operation } from './ir.ts';

/**
 * How a class is traced back to the picture. `cam`: the head is the mean of each channel and one dense layer, so that
 * the logit is a sum over the cells of the map, and each cell's share in it is exact (Zhou et al. 2016,
 * https://arxiv.org/abs/1512.04150). `grad_cam`: any other head, taken for linear around the picture (Selvaraju et al.
 * 2017, https://arxiv.org/abs/1610.02391); of a linear head the two are the same.
 */
export const EXPLANATION_METHODS = ['cam', 'grad_cam'] as const;
export type ExplanationMethod = (typeof EXPLANATION_METHODS)[number];

type Of<K extends Operation['kind']> = Node & { readonly operation: Extract<Operation, { kind: K }> };

/** A layer of vectors, and which of the vectors it reads comes from the activations. */
export interface HiddenLayer {
  readonly node: Of<'dense'> | Of<'activation'> | Of<'concat'>;
  readonly input: Node;
}

/** The layers between the activations and the logits, of which a gradient can be written down. */
export interface ExplainableHead {
  readonly method: ExplanationMethod;
  /** Pools on the map: all that arrives at one of their outputs they pass on, so that a channel's sum stays what it is. */
  readonly pools: readonly Node[];
  /** Where the map becomes a vector. */
  readonly vectorization: Of<'global_average_pool'> | Of<'flatten'>;
  /** Layers of vectors before the last. */
  readonly hidden: readonly HiddenLayer[];
  /** What makes the logits. */
  readonly classifier: Of<'dense'>;
}

/** @throws ConversionError that names the layer through which no gradient can be traced */
export function explainableHead({ outputs: { activations, features, logits } }: Graph): ExplainableHead {
  const layers = chain(activations, logits);
  const at = layers.findIndex(({ node }) => node.shape.kind === 'vector');
  const pools = layers.slice(0, at).map(({ node }) => (handsAllOn(node) ? node : fail(node)));
  const [vectorization, ...vectors] = layers.slice(at);
  const classifier = vectors.pop()?.node;
  if (vectorization === undefined || classifier === undefined || !is(classifier, 'dense')) return fail(logits);
  const { node } = vectorization;
  if (!is(node, 'global_average_pool') && !is(node, 'flatten')) return fail(node);
  const hidden = vectors.map(hiddenLayer);
  const joined = hidden.findIndex((layer) => is(layer.node, 'concat'));
  const unknown = hidden.slice(joined).find((layer) => is(layer.node, 'activation') && layer.node !== features);
  if (joined >= 0 && unknown !== undefined) return fail(unknown.node);
  const linear = pools.length === 0 && hidden.length === 0 && is(node, 'global_average_pool');
  return { method: linear ? 'cam' : 'grad_cam', pools, vectorization: node, hidden, classifier };
}

interface Link {
  readonly node: Node;
  readonly input: Node;
}

/** The layers behind `from` up to `to`, in their order; each must read the one before it, and only vectors beside it. */
function chain(from: Node, to: Node): Link[] {
  const links: Link[] = [];
  for (let node = to; node !== from; ) {
    const [input, ...others] = node.inputs.filter((each) => nodesUpTo([each]).includes(from));
    if (input === undefined || others.length > 0) return fail(node);
    links.unshift({ node, input });
    node = input;
  }
  return links;
}

/** A maximum's gradient goes to where it was found, a mean's in equal parts to all that it was taken of. */
function handsAllOn({ operation }: Node): boolean {
  if (operation.kind === 'max_pool') return true;
  if (operation.kind !== 'average_pool') return false;
  return !operation.countPadding || Object.values(operation.window.padding).every((rows) => rows === 0);
}

function hiddenLayer({ node, input }: Link): HiddenLayer {
  if (is(node, 'dense') || is(node, 'activation') || is(node, 'concat')) return { node, input };
  return fail(node);
}

function is<K extends Operation['kind']>(node: Node, kind: K): node is Of<K> {
  return node.operation.kind === kind;
}

function fail(node: Node): never {
  const { name, operation } = node;
  throw new ConversionError(
    `no class can be traced back through the layer "${name}" (${operation.kind}) between activations and logits`,
  );
}
