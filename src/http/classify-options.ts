import { z } from 'zod';
import { RUNTIME_NAMES } from '../runtime/session.ts';
import { parseOptions, share } from './options.ts';

const DEFAULT_TOP_K = 5;

const optionsSchema = z.strictObject({
  model: z.string().min(1, 'must name a model').optional(),
  top_k: z
    .string()
    .regex(/^0*[1-9]\d{0,8}$/, 'must be a whole number of at least 1')
    .transform(Number)
    .default(DEFAULT_TOP_K),
  runtime: z.enum(RUNTIME_NAMES, `must be ${RUNTIME_NAMES.join(' or ')}`).default('onnx'),
  threshold: share.default(0),
});

/** What a client may ask of a classification, beside the images. */
export type ClassifyOptions = z.output<typeof optionsSchema>;

/** Reads the options out of the query and the form. @throws AppError `invalid_request` that names what is wrong */
export function parseClassifyOptions(
  query: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>>,
): ClassifyOptions {
  return parseOptions(optionsSchema, query, fields);
}
