import { z } from 'zod';
import { RUNTIME_NAMES } from '../runtime/session.ts';
import { invalidOptions, mergeOptions } from './options.ts';

const DEFAULT_TOP_K = 5;

const optionsSchema = z.strictObject({
  model: z.string().min(1, 'must name a model').optional(),
  top_k: z
    .string()
    .regex(/^0*[1-9]\d{0,8}$/, 'must be a whole number of at least 1')
    .transform(Number)
    .default(DEFAULT_TOP_K),
  runtime: z.enum(RUNTIME_NAMES, `must be ${RUNTIME_NAMES.join(' or ')}`).default('onnx'),
  threshold: z
    .string()
    .regex(/^(0(\.\d*)?|1(\.0*)?|\.\d+)$/, 'must be a number from 0 to 1')
    .transform(Number)
    .default(0),
});

/** What a client may ask of a classification, beside the images. */
export type ClassifyOptions = z.output<typeof optionsSchema>;

const KNOWN = Object.keys(optionsSchema.shape).join(', ');

/**
 * Reads the options out of the query and the form, either of which may hold any; none may stand in both with
 * different values.
 * @throws AppError `invalid_request` that names each field that is wrong
 */
export function parseClassifyOptions(
  query: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>>,
): ClassifyOptions {
  const given = mergeOptions(query, fields);
  const parsed = optionsSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw invalidOptions(
    parsed.error.issues.flatMap((issue) => {
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((field) => ({ field, message: `is not known; there are ${KNOWN}` }));
      }
      const field = String(issue.path[0]);
      const value = given[field];
      const message = Array.isArray(value) ? 'is given more than once' : `${issue.message}, not "${value}"`;
      return [{ field, message }];
    }),
  );
}
