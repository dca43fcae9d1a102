import { ConversionError } from '../conversion-error.ts';
import { type Graph, nodesUpTo } from './graph.ts';
import type { ActivationFunction, Node, Operation, OperationOf } from './ir.ts';

/**
 * How a class is traced back to the image. `cam` (class activation map): each logit is a sum over the cells of a map,
 * so that the share of each cell is exact (Zhou et al. 2016, https://arxiv.org/abs/1512.04150). `grad_cam`: any other
 * head, linearised around the image (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391); for a linear head both
 * methods give the same.
 */
export const EXPLANATION_METHODS = ['cam', 'grad_cam'] as const;
export type ExplanationMethod = (typeof EXPLANATION_METHODS)[number];

type NodeOf<K extends Operation['kind']> = Node & { readonly operation: OperationOf<K> };

/** A layer of vectors, and its input that depends on the activations. */
export interface HiddenLayer {
  readonly node: NodeOf<'dense'> | NodeOf<'activation'> | NodeOf<'concat'>;
  readonly input: Node;
}

/** The layers between the activations and the logits, when the logits can be traced back through them. */
export type ExplainableHead = ConvolutionHead | DenseHead;

/** 1x1 convolutions and activation functions give a map with a channel for each class; its means are the logits. */
export interface ConvolutionHead {
  readonly kind: 'convolution';
  readonly method: 'cam';
  /** The layers after the activations, up to the map of classes. */
  readonly layers: readonly Node[];
}

/** The map becomes a vector, which dense layers turn into logits. */
export interface DenseHead {
  readonly kind: 'dense';
  readonly method: ExplanationMethod;
  /** Pools of the map. Each passes the gradient of its outputs on in full, so the sum over a channel is preserved. */
  readonly pools: readonly Node[];
  /** The layer that turns the map into a vector. */
  readonly vectorization: NodeOf<'global_average_pool'> | NodeOf<'flatten'>;
  /** Layers of vectors before the last. */
  readonly hidden: readonly HiddenLayer[];
  /** The layer that gives the logits. */
  readonly classifier: NodeOf<'dense'>;
}

/** @throws ConversionError that names the layer through which logits cannot be traced back */
export function explainableHead({ outputs: { activations, features, logits } }: Graph): ExplainableHead {
  const links = chain(activations, logits);
  if (is(logits, 'global_average_pool')) return convolutionHead(links);
  const at = links.findIndex(({ node }) => node.shape.kind === 'vector');
  const pools = links.slice(0, at).map(({ node }) => (passesGradientOn(node) ? node : fail(node)));
  const [vectorization, ...vectors] = links.slice(at);
  const classifier = vectors.pop()?.node;
  if (vectorization === undefined || classifier === undefined || !is(classifier, 'dense')) return fail(logits);
  const { node } = vectorization;
  if (!is(node, 'global_average_pool') && !is(node, 'flatten')) return fail(node);
  const hidden = vectors.map(hiddenLayer);
  const joined = hidden.findIndex((layer) => is(layer.node, 'concat'));
  const unknown = hidden.slice(joined).find(({ node }) => isUnknown(node, features));
  if (joined >= 0 && unknown !== undefined) return fail(unknown.node);
  const linear = pools.length === 0 && hidden.length === 0 && is(node, 'global_average_pool');
  return { kind: 'dense', method: linear ? 'cam' : 'grad_cam', pools, vectorization: node, hidden, classifier };
}

/** Whether the derivative of an activation function depends on its input, since its output alone does not give it. */
export function slopeReadsInput(apply: ActivationFunction): boolean {
  return apply === 'swish' || apply === 'hard_swish' || apply === 'gelu';
}

/** Whether tracing back through an activation function needs values that are not given: only the features are. */
function isUnknown(node: Node, features: Node): boolean {
  return is(node, 'activation') && (node !== features || slopeReadsInput(node.operation.function));
}

function convolutionHead(links: readonly Link[]): ConvolutionHead {
  const layers = links.slice(0, -1).map(({ node }) => node);
  const mixing = layers.find((node) => !is(node, 'activation') && !isPointwise(node));
  if (mixing !== undefined) return fail(mixing);
  return { kind: 'convolution', method: 'cam', layers };
}

/** Whether a layer is a convolution that computes each cell from the same cell of its input. */
function isPointwise(node: Node): boolean {
  if (!is(node, 'conv2d')) return false;
  const { kernel, stride, padding } = node.operation.window;
  return [...kernel, ...stride].every((size) => size === 1) && Object.values(padding).every((rows) => rows === 0);
}

interface Link {
  readonly node: Node;
  readonly input: Node;
}

/** The layers after `from` up to `to`, in order. Each reads the one before it, and only vectors besides. */
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

/** The gradient of a maximum goes to the cell it was found in; that of a mean goes in equal parts to all its cells. */
function passesGradientOn({ operation }: Node): boolean {
  if (operation.kind === 'max_pool') return true;
  if (operation.kind !== 'average_pool') return false;
  return !operation.countPadding || Object.values(operation.window.padding).every((rows) => rows === 0);
}

function hiddenLayer({ node, input }: Link): HiddenLayer {
  if (is(node, 'dense') || is(node, 'activation') || is(node, 'concat')) return { node, input };
  return fail(node);
}

function is<K extends Operation['kind']>(node: Node, kind: K): node is NodeOf<K> {
  return node.operation.kind === kind;
}

function fail(node: Node): never {
  const { name, operation } = node;
  throw new ConversionError(
    `no class can be traced back through the layer "${name}" (${operation.kind}) between activations and logits`,
  );
}
