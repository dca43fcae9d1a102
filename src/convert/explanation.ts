import { ConversionError } from './conversion-error.ts';
import type { Graph } from './graph.ts';
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

/** The layers between the activations and the logits, of which a gradient can be written down. */
export interface ExplainableHead {
  readonly method: ExplanationMethod;
  /** Pools on the map: all that arrives at one of their outputs they pass on, so that a channel's sum stays what it is. */
  readonly pools: readonly Node[];
  /** Where the map becomes a vector. */
  readonly vectorization: Of<'global_average_pool'> | Of<'flatten'>;
  /** Layers of vectors before the last. */
  readonly hidden: readonly (Of<'dense'> | Of<'activation'>)[];
  /** What makes the logits. */
  readonly classifier: Of<'dense'>;
}

/** @throws ConversionError that names the layer through which no gradient can be traced */
export function explainableHead({ outputs: { activations, logits } }: Graph): ExplainableHead {
  const layers = chain(activations, logits);
  const at = layers.findIndex(({ shape }) => shape.kind === 'vector');
  const [vectorization, ...vectors] = layers.slice(at);
  const pools = layers.slice(0, at);
  const classifier = vectors.pop();
  const odd = pools.find((node) => !handsAllOn(node));
  if (odd !== undefined) return fail(odd);
  if (vectorization === undefined || !(is(vectorization, 'global_average_pool') || is(vectorization, 'flatten'))) {
    return fail(vectorization ?? logits);
  }
  if (classifier === undefined || !is(classifier, 'dense')) return fail(classifier ?? logits);
  const hidden = vectors.map((node) => (is(node, 'dense') || is(node, 'activation') ? node : fail(node)));
  const linear = pools.length === 0 && hidden.length === 0 && is(vectorization, 'global_average_pool');
  return { method: linear ? 'cam' : 'grad_cam', pools, vectorization, hidden, classifier };
}

/** The layers behind `from` up to `to`, in their order; each must read the one before it and nothing else. */
function chain(from: Node, to: Node): Node[] {
  const layers: Node[] = [];
  for (let node = to; node !== from; ) {
    layers.unshift(node);
    const [input, ...others] = node.inputs;
    if (input === undefined || others.length > 0) return fail(node);
    node = input;
  }
  return layers;
}

/** A maximum's gradient goes to where it was found, a mean's in equal parts to all that it was taken of. */
function handsAllOn(node: Node): boolean {
  const { operation } = node;
  if (operation.kind === 'max_pool') return true;
  if (operation.kind !== 'average_pool') return false;
  return !operation.countPadding || Object.values(operation.window.padding).every((rows) => rows === 0);
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
