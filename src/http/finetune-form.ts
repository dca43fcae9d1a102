import { z } from 'zod';
import { type FinetuneOptions, type FinetuneRequest, finetuneOptionsSchema } from '../finetuning/finetune-options.ts';
import { augmentationSchema } from '../image/augment.ts';
import { invalidOptions, mergeOptions, type OptionFault } from './options.ts';

/** A fine-tune as a form asks for it. */
export interface FinetuneForm {
  /** What was given, in the types of the schema; plain JSON. */
  readonly request: FinetuneRequest;
  readonly options: FinetuneOptions;
  /** Only to look at the data set. */
  readonly dryRun: boolean;
}

/** Stands in for the name where nothing is trained. */
const DRY_RUN_NAME = 'dry-run';

/** Turns the text of a field into the value that its schema takes. Undefined when the text is none. */
type Reader = (text: string) => unknown;

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;
const READERS = {
  text: { read: (text: string) => text, want: '' },
  number: { read: (text: string) => (NUMBER.test(text) ? Number(text) : undefined), want: 'must be a number' },
  boolean: {
    read: (text: string) => ({ true: true, false: false })[text],
    want: 'must be true or false',
  },
  json: { read: readJson, want: 'must be JSON' },
} as const satisfies Record<string, { readonly read: Reader; readonly want: string }>;

type Kind = keyof typeof READERS;

const DRY_RUN = 'dry_run';
const AUGMENTATION = 'augmentation';
const OPTION_KINDS = kindsOf(finetuneOptionsSchema.shape);
/** Variations may be given one by one as well as together. */
const AUGMENTATION_KINDS = kindsOf(augmentationSchema.in.shape);
const KNOWN = [...OPTION_KINDS.keys(), ...AUGMENTATION_KINDS.keys(), DRY_RUN].join(', ');

/**
 * Reads the options of a fine-tune out of query and form.
 * @throws AppError `invalid_request` that names each field that is wrong, what was given and what would be right
 */
export function parseFinetuneForm(
  query: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>>,
): FinetuneForm {
  const given = mergeOptions(query, fields);
  const faults: OptionFault[] = [];
  const request: Record<string, unknown> = {};
  const variations: Record<string, unknown> = {};
  let dryRun = false;
  for (const [field, text] of Object.entries(given)) {
    const kind = field === DRY_RUN ? 'boolean' : (OPTION_KINDS.get(field) ?? AUGMENTATION_KINDS.get(field));
    if (kind === undefined) faults.push({ field, message: `is not known; there are ${KNOWN}` });
    else if (typeof text !== 'string') faults.push({ field, message: 'is given more than once' });
    else {
      const value = READERS[kind].read(text);
      if (value === undefined) faults.push({ field, message: `${READERS[kind].want}, not "${text}"` });
      else if (field === DRY_RUN) dryRun = value === true;
      else if (OPTION_KINDS.has(field)) request[field] = value;
      else variations[field] = value;
    }
  }
  if (dryRun) request['name'] ??= DRY_RUN_NAME;
  faults.push(...addVariations(request, variations));
  const parsed = finetuneOptionsSchema.safeParse(request);
  if (parsed.success && faults.length === 0) {
    return { request: request as FinetuneRequest, options: parsed.data, dryRun };
  }
  const all = [...faults, ...(parsed.error?.issues ?? []).flatMap((issue) => faultsOf(issue, given))];
  // One word on each field: a name with a dot, say, breaks two rules.
  throw invalidOptions(all.filter(({ field }, i) => all.findIndex((other) => other.field === field) === i));
}

/** Puts variations that came one by one beside those that came together. */
function addVariations(request: Record<string, unknown>, variations: Record<string, unknown>): OptionFault[] {
  if (Object.keys(variations).length === 0) return [];
  const together = request[AUGMENTATION] ?? {};
  // The schema says what is wrong with it.
  if (typeof together !== 'object') return [];
  request[AUGMENTATION] = { ...together, ...variations };
  return Object.keys(variations)
    .filter((name) => name in together)
    .map((field) => ({ field, message: `is given by itself and in ${AUGMENTATION}; give it once` }));
}

function faultsOf(issue: z.core.$ZodIssue, given: Readonly<Record<string, unknown>>): OptionFault[] {
  const [first, last] = [issue.path[0], issue.path.at(-1)].map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: [...issue.path, key].join('.'),
      message: `is not known; there are ${KNOWN}`,
    }));
  }
  const field = last !== undefined && last in given ? last : issue.path.join('.');
  const text = given[field] ?? given[first ?? ''];
  if (text === undefined) return [{ field, message: `must be given (${issue.message})` }];
  return [{ field, message: `is "${text}": ${issue.message}` }];
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function kindsOf(shape: Readonly<Record<string, z.ZodType>>): ReadonlyMap<string, Kind> {
  return new Map(Object.entries(shape).map(([name, schema]) => [name, kindOf(schema)]));
}

/** How a value of the schema is written as text. */
function kindOf(schema: z.ZodType): Kind {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return kindOf(schema.unwrap() as z.ZodType);
  }
  if (schema instanceof z.ZodNumber) return 'number';
  if (schema instanceof z.ZodBoolean) return 'boolean';
  if (schema instanceof z.ZodString || schema instanceof z.ZodEnum) return 'text';
  return 'json';
}
