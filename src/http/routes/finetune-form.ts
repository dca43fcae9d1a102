import { z } from 'zod';
import {
  type FinetuneOptions,
  type FinetuneRequest,
  finetuneOptionsSchema,
} from '../../finetuning/finetune-options.ts';
import { augmentationSchema } from '../../image/augmentation.ts';
import { JOB_PRIORITIES, type JobPriority } from '../../jobs/job-queue.ts';
import { invalidOptions, mergeOptions, type OptionFault, shown, unknownOption } from '../options.ts';

/** The options of a form to `POST /finetune`. */
export interface FinetuneForm {
  /** The options that were given, in the types of the schema. */
  readonly request: FinetuneRequest;
  readonly options: FinetuneOptions;
  /** Whether to report on the data set and train nothing. */
  readonly dryRun: boolean;
  readonly priority: JobPriority | undefined;
}

/** Name of the model where none is given and nothing is trained. */
const DRY_RUN_NAME = 'dry-run';

/** Parses the text of a field to the value that its schema takes; undefined when it is not valid. */
type Reader = (text: string) => unknown;

/** The augmentation that needs no JSON. */
const ROBUST = 'robust';

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;
const READERS = {
  text: { read: (text: string) => text, want: '' },
  number: { read: (text: string) => (NUMBER.test(text) ? Number(text) : undefined), want: 'must be a number' },
  boolean: {
    read: (text: string) => ({ true: true, false: false })[text],
    want: 'must be true or false',
  },
  json: { read: readJson, want: 'must be JSON' },
  augmentation: { read: (text: string) => (text === ROBUST ? text : readJson(text)), want: 'must be robust or JSON' },
} as const satisfies Record<string, { readonly read: Reader; readonly want: string }>;

type Kind = keyof typeof READERS;

const DRY_RUN = 'dry_run';
const PRIORITY = 'priority';
const AUGMENTATION = 'augmentation';
const OPTION_KINDS = new Map<string, Kind>([...kindsOf(finetuneOptionsSchema.shape), [AUGMENTATION, 'augmentation']]);
/** Members of `augmentation` may also be given as fields of their own. */
const AUGMENTATION_KINDS = kindsOf(augmentationSchema.in.shape);
const KNOWN = [...OPTION_KINDS.keys(), ...AUGMENTATION_KINDS.keys(), DRY_RUN, PRIORITY];

/**
 * Parses the options of a fine-tune in the query and the form.
 * @throws AppError `invalid_request` that names each wrong field, its value and what would be right
 */
export function parseFinetuneForm(
  query: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, unknown>>,
): FinetuneForm {
  const given = mergeOptions(query, fields);
  const faults: OptionFault[] = [];
  const request: Record<string, unknown> = {};
  const augmentation: Record<string, unknown> = {};
  let dryRun = false;
  const { [PRIORITY]: asked, ...options } = given;
  const priority = JOB_PRIORITIES.find((each) => each === asked);
  if (asked !== undefined && priority === undefined) {
    faults.push({ field: PRIORITY, message: `must be ${JOB_PRIORITIES.join(' or ')}, not ${shown(asked)}` });
  }
  for (const [field, text] of Object.entries(options)) {
    const kind = field === DRY_RUN ? 'boolean' : (OPTION_KINDS.get(field) ?? AUGMENTATION_KINDS.get(field));
    if (kind === undefined) faults.push(unknownOption(field, KNOWN));
    else if (typeof text !== 'string') faults.push({ field, message: 'is given more than once' });
    else {
      const value = READERS[kind].read(text);
      if (value === undefined) faults.push({ field, message: `${READERS[kind].want}, not ${shown(text)}` });
      else if (field === DRY_RUN) dryRun = value === true;
      else if (OPTION_KINDS.has(field)) request[field] = value;
      else augmentation[field] = value;
    }
  }
  if (dryRun) request['name'] ??= DRY_RUN_NAME;
  faults.push(...addAugmentation(request, augmentation));
  const parsed = finetuneOptionsSchema.safeParse(request);
  if (parsed.success && faults.length === 0) {
    return { request: request as FinetuneRequest, options: parsed.data, dryRun, priority };
  }
  const all = [...faults, ...(parsed.error?.issues ?? []).flatMap((issue) => faultsOf(issue, given))];
  // One fault of each field: a name with a dot, for instance, breaks two rules.
  throw invalidOptions(all.filter(({ field }, i) => all.findIndex((other) => other.field === field) === i));
}

/** Merges members of `augmentation` that were given as fields of their own. */
function addAugmentation(request: Record<string, unknown>, members: Record<string, unknown>): OptionFault[] {
  if (Object.keys(members).length === 0) return [];
  const given = request[AUGMENTATION] ?? {};
  const together = given === ROBUST ? { robust: true } : given;
  // The schema rejects it.
  if (typeof together !== 'object') return [];
  request[AUGMENTATION] = { ...together, ...members };
  return Object.keys(members)
    .filter((name) => name in together)
    .map((field) => ({ field, message: `is given as a field and in ${AUGMENTATION}; give it once` }));
}

function faultsOf(issue: z.core.$ZodIssue, given: Readonly<Record<string, unknown>>): OptionFault[] {
  const [first, last] = [issue.path[0], issue.path.at(-1)].map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownOption([...issue.path, key].join('.'), KNOWN));
  }
  const field = last !== undefined && last in given ? last : issue.path.join('.');
  const text = given[field] ?? given[first ?? ''];
  if (text === undefined) return [{ field, message: `must be given (${issue.message})` }];
  return [{ field, message: `is ${shown(text)}: ${issue.message}` }];
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

/** How the text of a field with this schema is parsed. */
function kindOf(schema: z.ZodType): Kind {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return kindOf(schema.unwrap() as z.ZodType);
  }
  if (schema instanceof z.ZodNumber) return 'number';
  if (schema instanceof z.ZodBoolean) return 'boolean';
  if (schema instanceof z.ZodString || schema instanceof z.ZodEnum) return 'text';
  return 'json';
}
