import { z } from 'zod';
import { ConversionError } from '../conversion-error.ts';

/** The order of a map's sizes: channels before or behind height and width. */
const LAYOUTS = ['nchw', 'nhwc'] as const;
export type Layout = (typeof LAYOUTS)[number];

const name = z.string().min(1);
const shape = z.array(z.int().positive()).min(1).max(4);

/**
 * An ONNX classifier made elsewhere, as it stands in a manifest: which of its values are what. All but the family may
 * be left out and is then found in the graph; what is given is not guessed.
 */
const onnxSchema = z.strictObject({
  family: z.literal('onnx'),
  /** The input that takes images. */
  input: name.optional(),
  layout: z.enum(LAYOUTS).optional(),
  /** Order of the channels that the model wants; `rgb` when absent, since a graph does not tell. */
  channel_order: z.enum(['rgb', 'bgr']).default('rgb'),
  /** The value that holds a number for each class. */
  output: name.optional(),
  output_kind: z.enum(['logits', 'probabilities']).optional(),
  /** What enters the last dense layer: a vector, or a map whose mean is taken. */
  features: name.optional(),
  features_layout: z.enum(LAYOUTS).optional(),
  /** The last map of the network. */
  activations: name.optional(),
  activations_layout: z.enum(LAYOUTS).optional(),
  /**
   * The weights of the last layer, where the logits are these times the mean of each channel of the activations, and a
   * bias: `[classes, channels]`, or the other way round.
   */
  classifier: z.strictObject({ weight: name, classes_first: z.boolean() }).optional(),
  /** Images that it can take at once; as many as one likes when absent. */
  max_batch: z.int().positive().optional(),
  /** Of the values named above, the batch first, as the model gives them for one image. */
  shapes: z.strictObject({ output: shape, features: shape, activations: shape }).optional(),
});

/** What is known of a model before it is looked at. */
export type OnnxHints = z.infer<typeof onnxSchema>;

type Found = 'input' | 'layout' | 'output' | 'output_kind' | 'features' | 'activations' | 'shapes';
/** What is known of a model afterwards: enough to wrap it without a guess. */
export type OnnxArchitecture = OnnxHints & Required<Pick<{ [K in Found]: NonNullable<OnnxHints[K]> }, Found>>;

/** Undefined of an architecture of another family. @throws ConversionError that names the field */
export function parseOnnxArchitecture(value: unknown): OnnxHints | undefined {
  if (!z.looseObject({ family: z.literal('onnx') }).safeParse(value).success) return undefined;
  const parsed = onnxSchema.safeParse(value);
  if (!parsed.success) throw new ConversionError(`the architecture is not valid:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** Whether nothing is left to be guessed. */
export function isComplete(hints: OnnxHints): hints is OnnxArchitecture {
  const { input, layout, output, output_kind, features, activations, shapes } = hints;
  return [input, layout, output, output_kind, features, activations, shapes].every((each) => each !== undefined);
}

/** How many classes it tells apart. */
export function classCount({ shapes }: OnnxArchitecture): number {
  return vectorLength(shapes.output);
}

/** Length of the feature vector: that of a vector, the channels of a map. */
export function featureSize({ shapes, features_layout }: OnnxArchitecture): number {
  return features_layout === undefined ? vectorLength(shapes.features) : mapSizes(shapes.features, features_layout)[2];
}

/** Height, width and channels; a model without a map has one of a single position. */
export function activationShape(architecture: OnnxArchitecture): [number, number, number] {
  const { shapes, activations_layout } = architecture;
  if (activations_layout === undefined) return [1, 1, vectorLength(shapes.activations)];
  return mapSizes(shapes.activations, activations_layout);
}

function vectorLength(shape: readonly number[]): number {
  // A lone size is a vector that has lost its batch.
  return shape.length === 1 ? (shape[0] ?? 0) : shape.slice(1).reduce((product, size) => product * size, 1);
}

function mapSizes([, a = 1, b = 1, c = 1]: readonly number[], layout: Layout): [number, number, number] {
  return layout === 'nhwc' ? [a, b, c] : [b, c, a];
}
