import { z } from 'zod';

export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in 64 lower-case hex digits');

const bytes = z.number().int().positive();
const pathInside = z.string().regex(/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/, 'a path inside the package');

/** How many independent records agree on a digest: A, two or more; B, one, which the first download verifies. */
const confidence = z.enum(['A', 'B']);

const urlSource = z.strictObject({
  type: z.literal('url'),
  url: z.url({ protocol: /^https?$/ }),
  /** The commit in the URL; without it, the URL follows a branch. */
  revision: z
    .string()
    .regex(/^[0-9a-f]{40}$/, 'a commit in 40 lower-case hex digits')
    .optional(),
});

/** A PyTorch checkpoint, which is converted to safetensors. */
const checkpointSource = z.strictObject({
  type: z.literal('checkpoint'),
  url: z.url({ protocol: /^https?$/ }),
  /** Digest of the checkpoint. */
  sha256: sha256Schema,
  /** Absent when nobody is known to have published it. */
  size_bytes: bytes.optional(),
});

const wheelSource = z.strictObject({
  type: z.literal('wheel'),
  package: z.string().regex(/^[A-Za-z0-9][\w.-]*$/),
  version: z.string().regex(/^\d[\w.+!-]*$/),
  /** The checkpoint inside the wheel. */
  file: pathInside,
  sha256: sha256Schema,
  size_bytes: bytes,
});

const npmSource = z.strictObject({
  type: z.literal('npm'),
  package: z.string().regex(/^(@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*$/),
  version: z.string().regex(/^\d+\.\d+\.\d+[\w.+-]*$/),
  /** The folder of the TF.js model inside the package. */
  path: pathInside,
  integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]{86}==$/, "npm's integrity, sha512-..."),
  size_bytes: bytes,
});

/** `weights` of a manifest: the file, how to verify it and where to get it. */
export const weightsSchema = z.strictObject({
  file: z.string().regex(/^[\w-][\w.-]*$/, 'the name of a file beside the manifest'),
  format: z.enum(['safetensors', 'onnx']).default('safetensors'),
  /** Absent when nobody is known to have published it: `weights.lock.json` then has it after the first pull. */
  sha256: sha256Schema.optional(),
  confidence: confidence.optional(),
  size_bytes: bytes,
  /**
   * Set when nobody has recorded the size: then it is computed from the tensors, and downloads are not checked for
   * it.
   */
  size_is: z.literal('estimate').optional(),
  /** Where to pull the file from; absent when it comes with the project. */
  source: z.discriminatedUnion('type', [urlSource, checkpointSource, wheelSource, npmSource]).optional(),
  /** The beginning of the file with everything that a fine-tune needs: the header and the convolutions' tensors. */
  backbone: z.strictObject({ size_bytes: bytes, sha256: sha256Schema, confidence }).optional(),
});

/** Where weights are pulled from. */
export type WeightsSource = NonNullable<z.output<typeof weightsSchema>['source']>;
