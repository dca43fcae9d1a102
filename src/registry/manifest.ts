import { z } from 'zod';
import type { Preprocessing } from '../image/crop.ts';
import { weightsSchema } from './weights-schema.ts';

/** Names of the zoo are `arch.tag`; names of fine-tuned models carry no dot. Both are safe as folder names. */
export const MODEL_NAME = /^[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9][a-z0-9_-]{0,63})?$/;

const count = z.number().int().positive();
const synset = z.string().regex(/^n\d{8}$/, 'a WordNet noun such as n02099601');
const perChannel = z.tuple([z.number(), z.number(), z.number()]);
const percent = z.number().min(0).max(100);

const labelSchema = z.object({ label: z.string().min(1), synset: synset.optional() });

/** One class, at the position of its index. `synset` is a WordNet 3.0 noun offset such as `n02099601`. */
export type Label = z.output<typeof labelSchema>;

/**
 * `manifest.json` on disk: what a model is, in the words of the field (timm's `pretrained_cfg`, model cards).
 * `architecture` is a name or a table of widths, for the converter, which knows the families.
 */
export const manifestSchema = z.strictObject({
  schema: z.literal(1),
  name: z.string().regex(MODEL_NAME, 'a name such as resnet50.tv_in1k: lower-case letters, digits, _ and -'),
  title: z.string().min(1),
  architecture: z.union([z.string().min(1), z.looseObject({ family: z.string().min(1) })]),
  weights: weightsSchema,
  input_size: z.tuple([z.literal(3), count, count]),
  mean: perChannel,
  std: perChannel,
  crop_pct: z.number().positive().max(1),
  interpolation: z.enum(['nearest', 'bilinear', 'bicubic', 'lanczos']),
  /** 0 of a backbone alone, which names nothing: it is there to be fine-tuned. */
  num_classes: z.number().int().nonnegative(),
  num_features: count,
  parameters: count,
  /** A name under `zoo/labels`, or the classes themselves. */
  labels: z.union([z.string().regex(/^[a-z0-9-]+$/), z.array(labelSchema)]),
  /** Of the weights: an SPDX expression, or `not stated`. */
  license: z.string().min(1),
  /** What else one should know of licence and origin. */
  license_notice: z.string().min(1).optional(),
  /**
   * Room for the weights and both converted formats; and what a process takes more with the model loaded in ONNX Runtime, at
   * batches of 16 on one thread, as it was measured.
   */
  needs: z.strictObject({ disk_bytes: count, memory_bytes: count }).optional(),
  training: z.record(z.string(), z.json()).optional(),
  accuracy: z
    .array(
      z.strictObject({
        dataset: z.string(),
        images: count,
        /** Height and width in pixels, where it is not that of `input_size`. */
        image_size: count.optional(),
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

/** A manifest as a person writes it: it may name the JSON Schema that an editor checks it against. */
const writtenManifestSchema = manifestSchema.extend({ $schema: z.string().optional() });

/** The schema above as JSON Schema: `zoo/manifest.schema.json`, for editors and for programs that are not this one. */
export function manifestJsonSchema(): object {
  return z.toJSONSchema(writtenManifestSchema, { io: 'input' });
}

/** A parsed `manifest.json`, in its on-disk words. */
export type ManifestDocument = z.output<typeof manifestSchema>;

/** As `ManifestDocument`, of a model whose weights are there: their digest is known by then. */
export interface ManifestFile extends ManifestDocument {
  readonly weights: ManifestDocument['weights'] & { readonly sha256: string };
}

/** A model as the server handles it. */
export interface Manifest {
  readonly name: string;
  /** Without scaling by mean and std, which the graph does. */
  readonly preprocessing: Preprocessing;
  readonly labels: readonly Label[];
  /** What the file says, for the converter and for the card. */
  readonly file: ManifestFile;
}

/** Says in one line a field what is wrong with a document that zod refused. */
export function describeIssues(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`).join('; ');
}

/** Parses the text of a `manifest.json`. @throws Error that names each field that is wrong */
export function parseManifestDocument(text: string): ManifestDocument {
  const parsed = writtenManifestSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(describeIssues(parsed.error));
  const { $schema, ...document } = parsed.data;
  return document;
}

/** Size and digest of a weights file whose manifest does not know them. */
export interface WeightsLock {
  readonly sha256: string;
  readonly size_bytes: number;
}

/**
 * A model as the server handles it, out of its manifest.
 * @param namedLabels classes of `zoo/labels/<name>.json`, asked for when the manifest names them
 * @param lock of the weights file, where the manifest has no digest
 * @throws Error that names the field that is wrong
 */
export function resolveManifest(
  document: ManifestDocument,
  namedLabels: (name: string) => readonly Label[],
  lock?: WeightsLock,
): Manifest {
  const sha256 = document.weights.sha256 ?? lock?.sha256;
  if (sha256 === undefined) throw new Error('weights.sha256: missing, and no lock file has it: pull the model again');
  const labels = typeof document.labels === 'string' ? namedLabels(document.labels) : document.labels;
  if (labels.length === 1) throw new Error('labels: 1 of them, but a classifier needs at least 2');
  if (labels.length !== document.num_classes) {
    throw new Error(`labels: ${labels.length} of them, but num_classes is ${document.num_classes}`);
  }
  const [, height, width] = document.input_size;
  return {
    name: document.name,
    preprocessing: { inputSize: [height, width], cropPct: document.crop_pct, interpolation: document.interpolation },
    labels,
    file: { ...document, weights: { ...document.weights, ...(lock?.sha256 === sha256 && lock), sha256 } },
  };
}

/** `parseManifestDocument` and `resolveManifest` in one, of a manifest that knows its digest. */
export function parseManifest(text: string, namedLabels: (name: string) => readonly Label[]): Manifest {
  return resolveManifest(parseManifestDocument(text), namedLabels);
}

/**
 * `zoo/labels/<name>.json` on disk: the classes, and where they are synsets of WordNet, all that they are kinds of, up to
 * `entity`.
 */
const labelsFileSchema = z.strictObject({
  source: z.string(),
  /** The notice that each copy must carry. */
  license: z.string(),
  classes: z
    .array(
      labelSchema
        .extend({
          index: z.number().int().nonnegative(),
          /** Its other names. */
          words: z.array(z.string()).optional(),
          gloss: z.string().optional(),
        })
        .strict(),
    )
    .min(2),
  hypernyms: z.record(synset, z.strictObject({ label: z.string().min(1), parents: z.array(synset) })).optional(),
});

/**
 * Parses the text of a labels file; classes must stand in the order of their indices, and each parent among the hypernyms.
 * @throws Error that names each field that is wrong
 */
export function parseLabels(text: string): readonly Label[] {
  const parsed = labelsFileSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(describeIssues(parsed.error));
  const { classes, hypernyms = {} } = parsed.data;
  for (const [synset, { parents }] of Object.entries(hypernyms)) {
    const unknown = parents.find((parent) => !Object.hasOwn(hypernyms, parent));
    if (unknown !== undefined) throw new Error(`hypernyms.${synset}.parents: ${unknown} is not among the hypernyms`);
  }
  return classes.map(({ index, label, synset }, position) => {
    if (index !== position) throw new Error(`classes.${position}.index: ${index}, but it must be ${position}`);
    return synset === undefined ? { label } : { label, synset };
  });
}
