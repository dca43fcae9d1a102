import { z } from 'zod';
import { Checkpoint } from './architectures/checkpoint.ts';
import type { Family } from './architectures/family.ts';
import {
  attachConvolution,
  attachHead,
  type DenseWeights,
  HEAD_INPUTS,
  headInput,
  stubLayer,
} from './architectures/head.ts';
import * as families from './architectures/index.ts';
import { type Backbone, denseWeights } from './architectures/modules.ts';
import { ConversionError } from './conversion-error.ts';
import type { Graph } from './graph/graph.ts';
import { type MapNode, normalize, pixels, type VectorNode } from './graph/ir.ts';
import type { TensorSource } from './graph/tensors.ts';
import type { Pair } from './graph/windows.ts';

const FAMILIES: ReadonlyMap<string, Family> = new Map(Object.values(families).map((family) => [family.name, family]));

/** A head that replaces the one of the family: dense layers whose tensors are `head.0`, `head.1`, ... */
const headSchema = z.strictObject({
  from: z.enum(HEAD_INPUTS).default('features'),
  /** Number of earlier maps of the network that the head reads too; none when absent. */
  earlier: z.int().positive().optional(),
  /** Widths of the dense layers before the last, each followed by a relu. */
  hidden: z.array(z.int().positive()).default([]),
  /** `false` in a backbone without a classifier: the checkpoint has no tensors of a last layer. */
  classifier: z.literal(false).optional(),
});

const architectureSchema = z.looseObject({ family: z.string(), head: headSchema.optional() });

/** A table of a family, as a manifest holds it: plain JSON. */
export type Architecture = z.output<typeof architectureSchema>;

/** Tables that have a name, such as `resnet18`. */
export const NAMED_ARCHITECTURES: Readonly<Record<string, { readonly family: string }>> = Object.assign(
  {},
  ...[...FAMILIES.values()].map(({ variants }) => variants),
);

/**
 * Parses the architecture of a manifest: a name of `NAMED_ARCHITECTURES`, or a table.
 *
 * @throws ConversionError that names the field
 */
export function parseArchitecture(value: unknown): Architecture {
  if (typeof value === 'string' && !Object.hasOwn(NAMED_ARCHITECTURES, value)) {
    const known = Object.keys(NAMED_ARCHITECTURES).join(', ');
    throw new ConversionError(`there is no architecture "${value}"; the known ones are ${known}`);
  }
  const { head, ...table } = parsed(architectureSchema, typeof value === 'string' ? NAMED_ARCHITECTURES[value] : value);
  const complete = parsed(familyOf(table).schema, table);
  return head === undefined ? complete : { ...complete, head };
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ConversionError(`the architecture is not valid:\n${z.prettifyError(result.error)}`);
}

function familyOf({ family: name }: { readonly family: string }): Family {
  const family = FAMILIES.get(name);
  if (family !== undefined) return family;
  throw new ConversionError(`there is no family "${name}"; the known ones are ${[...FAMILIES.keys()].join(', ')}`);
}

/** How pixels enter a network, and how many classes it has. */
export interface NetworkOptions {
  readonly inputSize: Pair;
  /** Of red, green and blue, in units of 255. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** As many as the checkpoint has, when absent. */
  readonly numClasses?: number | undefined;
}

/**
 * Builds the layer graph of an architecture with the tensors of a checkpoint.
 *
 * @throws ConversionError when a tensor is missing, has another shape, or belongs to no layer
 */
export function buildNetwork(architecture: Architecture, tensors: TensorSource, options: NetworkOptions): Graph {
  return assembleNetwork(architecture, new Checkpoint(tensors), options);
}

/** Like `buildNetwork`, from a checkpoint, which records the tensors that were used. */
export function assembleNetwork(architecture: Architecture, checkpoint: Checkpoint, options: NetworkOptions): Graph {
  const input = pixels(options.inputSize);
  const normalized = normalize('normalize', input, options.mean, options.std);
  const backbone = buildBackbone(architecture, checkpoint, normalized);
  const graph = attachClassifier(architecture, backbone, checkpoint, input, options.numClasses);
  checkpoint.expectAllUsed(backbone.trainingOnly);
  return graph;
}

/** Builds the layers of an architecture up to its classifier. */
export function buildBackbone({ head: _, ...table }: Architecture, checkpoint: Checkpoint, input: MapNode): Backbone {
  return familyOf(table).build(table, checkpoint, input);
}

/** Attaches the classifier of the family, or the head that replaces it. */
function attachClassifier(
  { head }: Architecture,
  backbone: Backbone,
  checkpoint: Checkpoint,
  input: MapNode,
  numClasses: number | undefined,
): Graph {
  const { activations, classifier } = backbone;
  if (head === undefined && classifier.kind === 'convolution') {
    const classes = numClasses ?? checkpoint.outputs(`${classifier.name}.weight`);
    const { channels } = activations.shape;
    return attachConvolution(input, activations, backbone.features(), {
      weight: checkpoint.weight(`${classifier.name}.weight`, [classes, channels, 1, 1]),
      bias: checkpoint.weight(`${classifier.name}.bias`, [classes]),
    });
  }
  const entering = headInput(backbone, head?.from ?? 'features', head?.earlier);
  const layers = denseLayers(head, classifier.name, checkpoint, entering, numClasses);
  return attachHead(input, activations, entering, layers);
}

/** The dense layers of a head, or the only one of the family. */
function denseLayers(
  head: Architecture['head'],
  classifier: string,
  checkpoint: Checkpoint,
  entering: VectorNode,
  numClasses: number | undefined,
): DenseWeights[] {
  if (head?.classifier === false) return [stubLayer(entering.shape.length)];
  const hidden = head?.hidden ?? [];
  const names = head === undefined ? [classifier] : [...hidden.keys(), hidden.length].map((index) => `head.${index}`);
  const classes = numClasses ?? checkpoint.outputs(`${names.at(-1)}.weight`);
  const widths = [entering.shape.length, ...hidden, classes];
  return names.map((name, index) => denseWeights(checkpoint, name, widths[index] ?? 0, widths[index + 1] ?? 0));
}
