import { z } from 'zod';
import { parseOptions, share } from './options.ts';

/** How an explanation can be read: by programs, or as a picture. */
const FORMATS = ['json', 'png'] as const;
/** Where it is hottest, a third of the photo still shows. */
const DEFAULT_OPACITY = 0.65;

const optionsSchema = z.strictObject({
  model: z.string().min(1, 'must name a model').optional(),
  class: z.string().min(1, 'must be an index, a label or a synset of the model').optional(),
  format: z.enum(FORMATS, `must be ${FORMATS.join(' or ')}`).default('json'),
  opacity: share.default(DEFAULT_OPACITY),
});

/** What a client may ask of an explanation, beside the image. */
export type ExplainOptions = z.output<typeof optionsSchema>;

/** Reads the options out of the query and the form. @throws AppError `invalid_request` that names what is wrong */
export function parseExplainOptions(
  query: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>>,
): ExplainOptions {
  return parseOptions(optionsSchema, query, fields);
}
