import { z } from 'zod';
import { ConversionError } from '../conversion-error.ts';

/** Position of the channels of a map: before or after height and width. */
const LAYOUTS = ['nchw', 'nhwc'] as const;
export type Layout = (typeof LAYOUTS)[number];

const name = z.string().min(1);
const shape = z.array(z.int().positive()).min(1).max(4);

/**
 * The architecture of a foreign ONNX classifier in a manifest: which of its values are the input and the outputs.
 * Fields other than `family` are found in the graph when they are absent.
 */
const onnxSchema = z.strictObject({
  family: z.literal('onnx'),
  /** The input for images. */
  input: name.optional(),
  layout: z.enum(LAYOUTS).optional(),
  /** Order of the colour channels that the model expects. A graph does not tell. */
  channel_order: z.enum(['rgb', 'bgr']).default('rgb'),
  /** The value with one number for each class, or the one number of two classes. */
  output: name.optional(),
  output_kind: z.enum(['logits', 'probabilities']).optional(),
  /** The input of the last dense layer: a vector, or a map of which the mean is taken. */
  features: name.optional(),
  features_layout: z.enum(LAYOUTS).optional(),
  /** The last map of the network. */
  activations: name.optional(),
  activations_layout: z.enum(LAYOUTS).optional(),
  /**
   * The weight of the last layer when the logits are this weight times the mean of each channel of the activations,
   * plus a bias. Its shape is `[classes, channels]` if `classes_first`, else `[channels, classes]`.
   */
  classifier: z.strictObject({ weight: name, classes_first: z.boolean() }).optional(),
  /** Largest batch that the model takes; unlimited when absent. */
  max_batch: z.int().positive().optional(),
  /** Shapes of these values for one image, including the batch dimension. */
  shapes: z.strictObject({ output: shape, features: shape, activations: shape }).optional(),
});

/** What a manifest says about a model; absent fields are found in its graph. */
export type OnnxHints = z.infer<typeof onnxSchema>;

type RequiredField = 'input' | 'layout' | 'output' | 'output_kind' | 'features' | 'activations' | 'shapes';
/** A complete description, from which the model can be wrapped. */
export type OnnxArchitecture = OnnxHints & { readonly [K in RequiredField]: NonNullable<OnnxHints[K]> };

/** @returns undefined for an architecture of another family @throws ConversionError that names the field */
export function parseOnnxArchitecture(value: unknown): OnnxHints | undefined {
  if (!z.looseObject({ family: z.literal('onnx') }).safeParse(value).success) return undefined;
  const parsed = onnxSchema.safeParse(value);
  if (!parsed.success) throw new ConversionError(`the architecture is not valid:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** Whether no field has to be found. */
export function isComplete(hints: OnnxHints): hints is OnnxArchitecture {
  const { input, layout, output, output_kind, features, activations, shapes } = hints;
  return [input, layout, output, output_kind, features, activations, shapes].every((each) => each !== undefined);
}

/** The number of classes. One number for each image is the score of the second of two classes. */
export function classCount({ shapes }: OnnxArchitecture): number {
  return Math.max(2, scoreCount({ shapes }));
}

/** The numbers that the model gives for each image. */
export function scoreCount({ shapes }: Pick<OnnxArchitecture, 'shapes'>): number {
  return vectorLength(shapes.output);
}

/** The length of the feature vector; for a map it is the number of channels. */
export function featureSize({ shapes, features_layout }: OnnxArchitecture): number {
  return features_layout === undefined ? vectorLength(shapes.features) : mapSizes(shapes.features, features_layout)[2];
}

/** Height, width and channels. For a model without a map, its features are a map of one cell. */
export function activationShape(architecture: OnnxArchitecture): [number, number, number] {
  const { shapes, activations_layout } = architecture;
  if (activations_layout === undefined) return [1, 1, vectorLength(shapes.activations)];
  return mapSizes(shapes.activations, activations_layout);
}

function vectorLength(shape: readonly number[]): number {
  // A shape of one dimension is a vector without a batch dimension.
  return shape.length === 1 ? (shape[0] ?? 0) : shape.slice(1).reduce((product, size) => product * size, 1);
}

function mapSizes([, a = 1, b = 1, c = 1]: readonly number[], layout: Layout): [number, number, number] {
  return layout === 'nhwc' ? [a, b, c] : [b, c, a];
}
