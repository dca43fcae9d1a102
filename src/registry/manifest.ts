import { z } from 'zod';

/** Names of the zoo are `arch.tag`; names of fine-tuned models carry no dot. Both are safe as folder names. */
export const MODEL_NAME = /^[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9][a-z0-9_-]{0,63})?$/;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in 64 lower-case hex digits');
const count = z.number().int().positive();
const perChannel = z.tuple([z.number(), z.number(), z.number()]);
const percent = z.number().min(0).max(100);

const labelSchema = z.object({
  label: z.string().min(1),
  synset: z
    .string()
    .regex(/^n\d{8}$/)
    .optional(),
});

/** One class, at the position of its index. `synset` is a WordNet 3.0 noun offset such as `n02099601`. */
export type Label = z.output<typeof labelSchema>;

/** `zoo/labels/<name>.json` on disk. */
const labelsFileSchema = z.object({
  source: z.string(),
  classes: z.array(labelSchema.extend({ index: z.number().int().nonnegative() })).min(2),
});

/**
 * `manifest.json` on disk: what a model is, in the words of the field (timm's `pretrained_cfg`, model cards).
 * `architecture` is a name or a table of widths, for the converter, which knows the families.
 */
export const manifestSchema = z.strictObject({
  schema: z.literal(1),
  name: z.string().regex(MODEL_NAME, 'a name such as resnet50.tv_in1k: lower-case letters, digits, _ and -'),
  title: z.string().min(1),
  architecture: z.union([z.string().min(1), z.looseObject({ family: z.string().min(1) })]),
  weights: z.strictObject({ file: z.string().regex(/^[\w.-]+$/), sha256, size_bytes: count }),
  input_size: z.tuple([z.literal(3), count, count]),
  mean: perChannel,
  std: perChannel,
  crop_pct: z.number().positive().max(1),
  interpolation: z.enum(['nearest', 'bilinear', 'bicubic', 'lanczos']),
  num_classes: count.min(2),
  num_features: count,
  parameters: count,
  /** A name under `zoo/labels`, or the classes themselves. */
  labels: z.union([z.string().regex(/^[a-z0-9-]+$/), z.array(labelSchema).min(2)]),
  license: z.string().min(1),
  training: z.record(z.string(), z.json()).optional(),
  accuracy: z
    .array(
      z.strictObject({
        dataset: z.string(),
        images: count,
        top1: percent,
        top5: percent.optional(),
        ece_15_bins: z.number().min(0).max(1).optional(),
      }),
    )
    .default([]),
  /** Of a fine-tuned model: an answer less probable than this is `unknown`. */
  unknown_threshold: z.number().min(0).max(1).optional(),
  /** Of a fine-tuned model: what one needs to know to make it again. */
  provenance: z.record(z.string(), z.string()).optional(),
});

/** A parsed `manifest.json`, in its on-disk words. */
export type ManifestFile = z.output<typeof manifestSchema>;

/** How a photo becomes the model's pixels; scaling by mean and std happens inside the graph. */
export interface Preprocessing {
  /** Height and width in pixels. */
  readonly inputSize: readonly [height: number, width: number];
  /** The crop's share of the resized image's shorter side, in (0, 1]. */
  readonly cropPct: number;
  readonly interpolation: ManifestFile['interpolation'];
}

/** A model as the server handles it. */
export interface Manifest {
  readonly name: string;
  readonly preprocessing: Preprocessing;
  readonly labels: readonly Label[];
  /** What the file says, for the converter and for the card. */
  readonly file: ManifestFile;
}

/** Says in one line a field what is wrong with a document that zod refused. */
export function describeIssues(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`).join('; ');
}

/**
 * Parses the text of a `manifest.json`.
 * @param namedLabels classes of `zoo/labels/<name>.json`, asked for when the manifest names them
 * @throws Error that names each field that is wrong
 */
export function parseManifest(text: string, namedLabels: (name: string) => readonly Label[]): Manifest {
  const parsed = manifestSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(describeIssues(parsed.error));
  const file = parsed.data;
  const labels = typeof file.labels === 'string' ? namedLabels(file.labels) : file.labels;
  if (labels.length !== file.num_classes) {
    throw new Error(`labels: ${labels.length} of them, but num_classes is ${file.num_classes}`);
  }
  const [, height, width] = file.input_size;
  return {
    name: file.name,
    preprocessing: { inputSize: [height, width], cropPct: file.crop_pct, interpolation: file.interpolation },
    labels,
    file,
  };
}

/**
 * Parses the text of a labels file; classes must stand in the order of their indices.
 * @throws Error that names each field that is wrong
 */
export function parseLabels(text: string): readonly Label[] {
  const parsed = labelsFileSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(describeIssues(parsed.error));
  return parsed.data.classes.map(({ index, label, synset }, position) => {
    if (index !== position) throw new Error(`classes.${position}.index: ${index}, but it must be ${position}`);
    return synset === undefined ? { label } : { label, synset };
  });
}
