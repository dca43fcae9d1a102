import { z } from 'zod';
import { ConversionError } from '../conversion-error.ts';
import type { Graph } from '../graph/graph.ts';
import { type MapNode, normalize, pixels, type VectorNode } from '../graph/ir.ts';
import type { TensorSource } from '../graph/tensors.ts';
import type { Pair } from '../graph/windows.ts';
import { ALEXNETS, alexnetSchema, buildAlexnet } from './alexnet.ts';
import { Checkpoint } from './checkpoint.ts';
import { buildDensenet, DENSENETS, densenetSchema } from './densenet.ts';
import { buildEfficientnet, EFFICIENTNETS, efficientnetSchema } from './efficientnet.ts';
import { GOOGLENETS } from './googlenet.ts';
import { buildGraph, graphSchema } from './graph.ts';
import { attachHead, type DenseWeights, HEAD_INPUTS, headInput, stubLayer } from './head.ts';
import { buildInception, inceptionSchema } from './inception.ts';
import { INCEPTIONS_V3 } from './inception-v3.ts';
import { type Backbone, denseWeights } from './modules.ts';
import { buildResnet, RESNETS, resnetSchema } from './resnet.ts';
import { buildVgg, VGGS, vggSchema } from './vgg.ts';

/** A head of one's own in place of the family's: tensors `head.0`, `head.1`, ... `.weight` and `.bias`. */
const headSchema = z.strictObject({
  from: z.enum(HEAD_INPUTS).default('features'),
  /** How many of the network's earlier maps it reads too; none when absent. */
  earlier: z.int().positive().optional(),
  /** Widths of the dense layers before the last, each followed by a relu. */
  hidden: z.array(z.int().positive()).default([]),
  /** Of a backbone alone: there is no last layer, and its tensors are not in the checkpoint. */
  classifier: z.literal(false).optional(),
});

const withHead = { head: headSchema.optional() };
const architectureSchema = z.discriminatedUnion('family', [
  resnetSchema.extend(withHead),
  vggSchema.extend(withHead),
  inceptionSchema.extend(withHead),
  densenetSchema.extend(withHead),
  alexnetSchema.extend(withHead),
  efficientnetSchema.extend(withHead),
  graphSchema.extend(withHead),
]);

/** A family and its widths, as it stands in a manifest; JSON all through. */
export type Architecture = z.infer<typeof architectureSchema>;

/** Tables that have a name. */
export const NAMED_ARCHITECTURES: Readonly<Record<string, z.input<typeof architectureSchema>>> = {
  ...RESNETS,
  ...VGGS,
  ...GOOGLENETS,
  ...INCEPTIONS_V3,
  ...DENSENETS,
  ...ALEXNETS,
  ...EFFICIENTNETS,
};

/**
 * The architecture of a manifest: a name of `NAMED_ARCHITECTURES`, or a table of its own.
 *
 * @throws ConversionError that names the field
 */
export function parseArchitecture(value: unknown): Architecture {
  if (typeof value === 'string' && !Object.hasOwn(NAMED_ARCHITECTURES, value)) {
    const known = Object.keys(NAMED_ARCHITECTURES).join(', ');
    throw new ConversionError(`there is no architecture "${value}"; the known ones are ${known}`);
  }
  const table = typeof value === 'string' ? NAMED_ARCHITECTURES[value] : value;
  const parsed = architectureSchema.safeParse(table);
  if (!parsed.success) throw new ConversionError(`the architecture is not valid:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** How pixels enter a network, and how many classes leave it. */
export interface NetworkOptions {
  readonly inputSize: Pair;
  /** Of red, green and blue, in units of 255. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** As many as the checkpoint has, when absent. */
  readonly numClasses?: number | undefined;
}

/**
 * The layer graph of an architecture over the tensors of a checkpoint.
 *
 * @throws ConversionError when a tensor is missing, misshapen or left over
 */
export function buildNetwork(architecture: Architecture, tensors: TensorSource, options: NetworkOptions): Graph {
  const checkpoint = new Checkpoint(tensors);
  const input = pixels(options.inputSize);
  const backbone = buildBackbone(architecture, checkpoint, normalize('normalize', input, options.mean, options.std));
  const { entering, layers } = headOf(architecture, backbone, checkpoint, options.numClasses);
  checkpoint.expectAllUsed(backbone.trainingOnly);
  return attachHead(input, backbone.activations, entering, layers);
}

/** The layers of a family up to its last dense layer. */
export function buildBackbone(architecture: Architecture, checkpoint: Checkpoint, input: MapNode): Backbone {
  switch (architecture.family) {
    case 'resnet':
      return buildResnet(architecture, checkpoint, input);
    case 'vgg':
      return buildVgg(architecture, checkpoint, input);
    case 'inception':
      return buildInception(architecture, checkpoint, input);
    case 'densenet':
      return buildDensenet(architecture, checkpoint, input);
    case 'alexnet':
      return buildAlexnet(architecture, checkpoint, input);
    case 'efficientnet_lite':
      return buildEfficientnet(architecture, checkpoint, input);
    case 'graph':
      return buildGraph(architecture, checkpoint, input);
  }
}

/** The dense layers of the architecture: the family's last one, or those of a head of its own. */
function headOf(
  { head }: Architecture,
  backbone: Backbone,
  checkpoint: Checkpoint,
  numClasses: number | undefined,
): { entering: VectorNode; layers: DenseWeights[] } {
  const entering = headInput(backbone, head?.from ?? 'features', head?.earlier);
  const hidden = head?.hidden ?? [];
  if (head?.classifier === false) return { entering, layers: [stubLayer(entering.shape.length)] };
  const names = head === undefined ? [backbone.classifier] : [...hidden.keys(), hidden.length].map((i) => `head.${i}`);
  const classes = numClasses ?? checkpoint.outputs(`${names.at(-1)}.weight`);
  const widths = [entering.shape.length, ...hidden, classes];
  const layers = names.map((name, index) => denseWeights(checkpoint, name, widths[index] ?? 0, widths[index + 1] ?? 0));
  return { entering, layers };
}
