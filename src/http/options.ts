import { z } from 'zod';
import { AppError } from '../common/errors.ts';

/** Wrong options that one error names. */
const MAX_FAULTS = 10;
/** Characters of a wrong value that an error shows. */
const MAX_SHOWN_CHARACTERS = 100;

/** Schema of a number from 0 to 1, given as text. */
export const share = z
  .string()
  .regex(/^(0(\.\d*)?|1(\.0*)?|\.\d+)$/, 'must be a number from 0 to 1')
  .transform(Number);

/** Schema of yes or no, given as text. */
export const yesOrNo = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true');

/** Schema of one of several names. */
export function oneOf<const Name extends string>(names: readonly Name[]) {
  return z.enum(names, `must be ${names.join(' or ')}`);
}

/** A wrong option. */
export interface OptionFault {
  readonly field: string;
  /** What is wrong, as it follows the name of the field. */
  readonly message: string;
}

/**
 * Merges options of the query and of the form. An option may be in both with the same value.
 * @throws AppError `invalid_request` for an option with two values
 */
export function mergeOptions(
  query: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  for (const [name, value] of Object.entries(fields)) {
    const other = query[name];
    if (other !== undefined && other !== value) {
      const message = `is ${shown(other)} in the query and ${shown(value)} in the form; give it once`;
      throw invalidOptions([{ field: name, message }]);
    }
  }
  return { ...query, ...fields };
}

/**
 * Parses the options of the query and of the form, which are texts.
 * @throws AppError `invalid_request` that names each wrong field
 */
export function parseOptions<T extends z.ZodRawShape>(
  schema: z.ZodObject<T>,
  query: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>>,
): z.output<z.ZodObject<T>> {
  const given = mergeOptions(query, fields);
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const known = Object.keys(schema.shape);
  throw invalidOptions(
    parsed.error.issues.flatMap((issue) => {
      if (issue.code === 'unrecognized_keys') return issue.keys.map((field) => unknownOption(field, known));
      const field = String(issue.path[0]);
      const value = given[field];
      const message = Array.isArray(value) ? 'is given more than once' : `${issue.message}, not ${shown(value)}`;
      return [{ field, message }];
    }),
  );
}

/** The fault of an option that does not exist. @param known names of all options */
export function unknownOption(field: string, known: readonly string[]): OptionFault {
  return { field: cut(field), message: `is not an option; the options are ${known.join(', ')}` };
}

/** A value in quotes, cut to a length that fits an error. */
export function shown(value: unknown): string {
  return `"${cut(String(value))}"`;
}

/** The error of wrong options. It names the first `MAX_FAULTS`. */
export function invalidOptions(faults: readonly OptionFault[]): AppError {
  const errors = faults.slice(0, MAX_FAULTS);
  const detail = errors.map(({ field, message }) => `${field} ${message}`).join('; ');
  const more = faults.length > errors.length ? `; and ${faults.length - errors.length} more` : '';
  return new AppError('invalid_request', `${detail}${more}.`, { context: { errors } });
}

function cut(text: string): string {
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text;
}
