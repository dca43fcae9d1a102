import { z } from 'zod';
import { AppError } from '../common/errors.ts';
import { describeIssues } from '../registry/manifest.ts';
import { decodeBase64 } from './base64.ts';
import { checkJsonStructure } from './json-structure.ts';
import { checkImageBytes, checkImageCount, type ParserLimits } from './limits.ts';

/** Characters of a file name, as most file systems have it. */
const MAX_NAME_LENGTH = 255;

const imageSchema = z.strictObject({ b64: z.string(), filename: z.string().max(MAX_NAME_LENGTH).optional() });
const bodySchema = z.looseObject({
  // Lengths first: each wrong element would be an issue of its own.
  images: z.array(z.unknown()),
});

const EXAMPLE = 'send {"images": [{"b64": "<base64 of a file>"}]}, with options beside "images"';

/** Images of a JSON body. */
export interface JsonImages {
  /** Options, as the texts that they would be in a form. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly images: readonly { readonly filename: string; readonly bytes: Buffer }[];
}

/**
 * Parses `{"images": [{"b64": "...", "filename": "..."}], "top_k": 3}`.
 * @throws AppError `invalid_request`, `no_image`, `too_many_images`, `body_too_large`
 */
export function parseJsonImages(body: Buffer, limits: ParserLimits): JsonImages {
  checkJsonStructure(body);
  const { images: given, ...options } = check(bodySchema, parseJson(body));
  if (given.length === 0) throw new AppError('no_image', `"images" is empty; ${EXAMPLE}.`);
  checkImageCount(given.length, limits);
  const images = given.map((each, index) => {
    const { b64, filename = `image ${index}` } = check(imageSchema, each);
    const bytes = decodeBase64(b64);
    if (bytes !== undefined) return { filename, bytes };
    throw new AppError('invalid_request', `The "b64" of image ${index} is not base64; send the file as base64 text.`, {
      context: { field: 'images' },
    });
  });
  checkImageBytes(
    images.map(({ bytes }) => bytes),
    limits,
  );
  const fields = Object.entries(options).map(([name, value]) => [
    name,
    typeof value === 'number' || typeof value === 'boolean' ? `${value}` : value,
  ]);
  return { fields: Object.fromEntries(fields), images };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new AppError('invalid_request', `The body is not valid JSON; ${EXAMPLE}.`);
  }
}

function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new AppError('invalid_request', `The body is not valid (${describeIssues(parsed.error)}); ${EXAMPLE}.`);
}
