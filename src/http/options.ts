import { AppError } from '../errors.ts';

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

/** The error of options that are wrong. */
export function invalidOptions(errors: readonly OptionFault[]): AppError {
  const detail = errors.map(({ field, message }) => `${field} ${message}`).join('; ');
  return new AppError('invalid_request', `${detail}.`, { context: { errors } });
}
