import { z } from 'zod';
import { ICC_MODES } from '../image/crop.ts';
import { sha256Schema, weightsSchema } from './weights-schema.ts';

/** Name of a model: `arch.tag` in the zoo, without a dot when it was fine-tuned. Safe as the name of a folder. */
export const MODEL_NAME = /^[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9][a-z0-9_-]{0,63})?$/;

const count = z.number().int().positive();
const perChannel = z.tuple([z.number(), z.number(), z.number()]);
const colour = z.number().int().min(0).max(255);
const percent = z.number().min(0).max(100);
const share = z.number().min(0).max(1);

/** A WordNet 3.0 noun by its offset. */
export const synsetSchema = z.string().regex(/^n\d{8}$/, 'a WordNet noun such as n02099601');

export const labelSchema = z.object({ label: z.string().min(1), synset: synsetSchema.optional() });

const separationSchema = z.strictObject({
  /** Area under the ROC curve. */
  auroc: share,
  /** Share of the images of other things that are accepted where 95 % of the images of the classes are. */
  false_positives: share,
});

/** A file with a detector, and how it does beside the highest probability (`softmax`) on the same images. */
export const noveltySchema = z.strictObject({
  file: z.string().regex(/^[A-Za-z0-9][\w.-]{0,127}$/, 'a plain file name'),
  sha256: sha256Schema,
  /** Share of held-out images of the classes that are not unknown to it. */
  accepted: share.optional(),
  /** Where the unknown images come from: a class left out of the training at a time, or images of other things. */
  measured_on: z.enum(['left_out_classes', 'unknown_images']).optional(),
  detector: separationSchema.optional(),
  softmax: separationSchema.optional(),
});

/** One class of a model. Its index is its position in the list of labels. */
export type Label = z.output<typeof labelSchema>;

/**
 * `manifest.json` on disk: what a model is, in the terms of the field (timm's `pretrained_cfg`, model cards).
 * `architecture` is the name of a known one, or the table from which the converter builds it.
 */
export const manifestSchema = z.strictObject({
  schema: z.literal(1),
  name: z.string().regex(MODEL_NAME, 'a name such as resnet50.tv_in1k: lower-case letters, digits, _ and -'),
  title: z.string().min(1),
  /** Of several weights of one architecture: those that the name before the dot means alone, as `resnet50` does. */
  recommended: z.literal(true).optional(),
  architecture: z.union([z.string().min(1), z.looseObject({ family: z.string().min(1) })]),
  weights: weightsSchema,
  /** Channels, height and width. */
  input_size: z.tuple([z.literal(3), count, count]),
  mean: perChannel,
  std: perChannel,
  /** How a photo of another shape is fitted: the middle is cropped, both sides are stretched, or the rest is padded. */
  resize_mode: z.enum(['crop', 'stretch', 'pad']).default('crop'),
  /** Red, green and blue, 0..255, of what `pad` adds; black when absent. */
  pad_color: z.tuple([colour, colour, colour]).optional(),
  crop_pct: z.number().positive().max(1),
  interpolation: z.enum(['nearest', 'bilinear', 'bicubic', 'lanczos']),
  /** What is done with colour profiles of files; the setting `ICC` when absent. Fine-tuned models have it. */
  icc: z.enum(ICC_MODES).optional(),
  /** 0 for a backbone without a classifier, which can only be fine-tuned. */
  num_classes: z.number().int().nonnegative(),
  num_features: count,
  parameters: count,
  /** A name under `zoo/labels`, or the classes themselves. */
  labels: z.union([z.string().regex(/^[a-z0-9-]+$/), z.array(labelSchema)]),
  /** License of the weights: an SPDX expression, or `not stated`. */
  license: z.string().min(1),
  /** More about license and origin. */
  license_notice: z.string().min(1).optional(),
  /**
   * Bytes on disk of the weights and both converted formats; bytes of memory that a process needs in addition when the
   * model is loaded in ONNX Runtime, measured at batches of 16 on one thread.
   */
  needs: z.strictObject({ disk_bytes: count, memory_bytes: count }).optional(),
  training: z.record(z.string(), z.json()).optional(),
  accuracy: z
    .array(
      z.strictObject({
        dataset: z.string(),
        images: count,
        /** Height and width in pixels, when it differs from `input_size`. */
        image_size: count.optional(),
        top1: percent,
        top5: percent.optional(),
        ece_15_bins: z.number().min(0).max(1).optional(),
      }),
    )
    .default([]),
  /** The detector of images that show none of the classes; the model then has the output `novelty`. */
  novelty: noveltySchema.optional(),
  /** Only without a detector, as in versions from before there was one: a lower probability is `unknown`. */
  unknown_threshold: z.number().min(0).max(1).optional(),
  /** What is needed to make the model again. */
  provenance: z.record(z.string(), z.string()).optional(),
});

/** A manifest as a person writes it: it may name the JSON Schema that an editor checks it against. */
const writtenManifestSchema = manifestSchema.extend({ $schema: z.string().optional() });

/** The schema above as JSON Schema: `zoo/manifest.schema.json`, for editors and other programs. */
export function manifestJsonSchema(): object {
  return z.toJSONSchema(writtenManifestSchema, { io: 'input' });
}

/** A parsed `manifest.json`, with the names of its fields on disk. */
export type ManifestDocument = z.output<typeof manifestSchema>;

/** A manifest whose weights are on this machine, so that their digest is known. */
export interface ManifestFile extends ManifestDocument {
  readonly weights: ManifestDocument['weights'] & { readonly sha256: string };
}

/** `weights.lock.json` on disk: size and digest of a pulled weights file whose manifest does not have them. */
export const weightsLockSchema = z.object({ sha256: sha256Schema, size_bytes: count });

/** A parsed `weights.lock.json`. */
export type WeightsLock = z.output<typeof weightsLockSchema>;

/** Parses the text of a `manifest.json`. @throws Error that names each field that is wrong */
export function parseManifestDocument(text: string): ManifestDocument {
  const parsed = writtenManifestSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(describeIssues(parsed.error));
  const { $schema, ...document } = parsed.data;
  return document;
}

/** Limits of a description, since a document may come from a client: issues, and characters of a path or a message. */
const MAX_ISSUES = 5;
const MAX_ISSUE_LENGTH = 200;

/** Describes the fields that a schema rejected, in one line. */
export function describeIssues(error: z.ZodError): string {
  const shown = error.issues.slice(0, MAX_ISSUES).map(({ path, message }) => {
    return `${path.join('.').slice(0, MAX_ISSUE_LENGTH) || 'document'}: ${message.slice(0, MAX_ISSUE_LENGTH)}`;
  });
  if (error.issues.length > shown.length) shown.push(`and ${error.issues.length - shown.length} more`);
  return shown.join('; ');
}
