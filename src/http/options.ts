import { z } from 'zod';
import { AppError } from '../common/errors.ts';

/** A number from 0 to 1, as a text. */
export const share = z
  .string()
  .regex(/^(0(\.\d*)?|1(\.0*)?|\.\d+)$/, 'must be a number from 0 to 1')
  .transform(Number);

/** An option that is wrong and why, to be read behind its name. */
export interface OptionFault {
  readonly field: string;
  readonly message: string;
}

/**
 * The options of a request out of the query and the form, either of which may hold any; none may stand in both with
 * different values.
 * @throws AppError `invalid_request`
 */
export function mergeOptions(
  query: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  for (const [name, value] of Object.entries(fields)) {
    const other = query[name];
    if (other !== undefined && other !== value) {
      throw invalidOptions([
        { field: name, message: `is "${other}" in the query and "${value}" in the form; give it once` },
      ]);
    }
  }
  return { ...query, ...fields };
}

/**
 * Reads the options out of the query and the form, which come as texts.
 * @throws AppError `invalid_request` that names each field that is wrong
 */
export function parseOptions<T extends z.ZodRawShape>(
  schema: z.ZodObject<T>,
  query: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>>,
): z.output<z.ZodObject<T>> {
  const given = mergeOptions(query, fields);
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const known = Object.keys(schema.shape).join(', ');
  throw invalidOptions(
    parsed.error.issues.flatMap((issue) => {
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((field) => ({ field, message: `is not known; there are ${known}` }));
      }
      const field = String(issue.path[0]);
      const value = given[field];
      const message = Array.isArray(value) ? 'is given more than once' : `${issue.message}, not "${value}"`;
      return [{ field, message }];
    }),
  );
}

/** The error of options that are wrong. */
export function invalidOptions(errors: readonly OptionFault[]): AppError {
  const detail = errors.map(({ field, message }) => `${field} ${message}`).join('; ');
  return new AppError('invalid_request', `${detail}.`, { context: { errors } });
}
