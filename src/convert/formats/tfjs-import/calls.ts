import { z } from 'zod';
import { ConversionError } from '../../conversion-error.ts';

/** The output of a call of a layer. */
export interface Reference {
  readonly layer: string;
  readonly call: number;
}

/** A number, or one number per channel. */
export interface Constant {
  readonly kind: 'constant';
  readonly values: readonly number[];
  /** Of a slice of a whole axis, which has no values: 1, or -1 for the reverse order. */
  readonly step?: number;
}

/** An argument of a call of a layer. Operations such as a division also take constants. */
export type Argument = Reference | Constant;

/** `[layer, call, output]`; Keras 2 adds keyword arguments. */
export const referenceSchema = z.tuple([z.string(), z.int().nonnegative(), z.int().nonnegative()], z.unknown());
export const referencesSchema = z.union([z.array(referenceSchema), referenceSchema.transform((one) => [one])]);

const numbersSchema = z.union([z.number().transform((value) => [value]), z.array(z.number())]);
/** Keyword arguments that are operands: `y` and `bias` in Keras 2, `x1` and `x2` in Keras 3. */
const OPERANDS: ReadonlySet<string> = new Set(['x', 'y', 'x1', 'x2', 'bias']);

const keras3Schema = z.object({ args: z.array(z.unknown()), kwargs: z.record(z.string(), z.unknown()).default({}) });
const keras3TensorSchema = z.object({
  class_name: z.literal('__keras_tensor__'),
  config: z.object({ keras_history: referenceSchema }),
});
const keras3ConstantSchema = z.object({
  class_name: z.enum(['__numpy__', '__tensor__']),
  config: z.object({ value: z.unknown() }),
});

/** `:` or `::-1`, in the terms of Keras 3 and of Keras 2. */
const wholeSliceSchema = z.object({
  start: z.null(),
  stop: z.null(),
  step: z
    .union([z.literal(1), z.literal(-1)])
    .nullable()
    .transform((step) => step ?? 1),
});
const sliceSchema = z.union([
  z.object({ class_name: z.literal('__slice__'), config: wholeSliceSchema }).transform(({ config }) => config),
  wholeSliceSchema,
]);
const ellipsisSchema = z.object({ class_name: z.literal('__ellipsis__') });
/** The index of a SlicingOpLambda of Keras 2. */
const sliceSpecSchema = z.union([
  z.object({ class_name: z.literal('__tuple__'), items: z.array(z.unknown()) }).transform(({ items }) => items),
  z.array(z.unknown()),
]);

const keras2ConstantSchema = z.tuple([z.literal('_CONSTANT_VALUE'), z.literal(-1), numbersSchema], z.unknown());
const keras2KeywordsSchema = z.record(z.string(), z.unknown());

/**
 * Parses an element of `inbound_nodes`: `{args, kwargs}` in Keras 3, `[[layer, call, output, kwargs], ...]` in Keras 2
 * and in TF.js.
 *
 * @throws ConversionError when it has neither form
 */
export function parseCall(node: unknown, layer: string): Argument[] {
  const call = keras3Schema.safeParse(node);
  if (call.success) {
    const { args, kwargs } = call.data;
    return [...args.flat(), ...operands(kwargs)].flatMap((value) => keras3Argument(value, layer));
  }
  const first = Array.isArray(node) ? node[0] : undefined;
  const items = typeof first === 'string' ? [node] : node;
  if (Array.isArray(items)) return items.flatMap((item) => keras2Arguments(item, layer));
  throw unknownForm(layer);
}

export function toReference([layer, call, output]: z.output<typeof referenceSchema>): Reference {
  if (output === 0) return { layer, call };
  throw new ConversionError(`output ${output} of layer "${layer}" is read; only layers with one output are supported`);
}

export function isConstant(argument: object): argument is Constant {
  return 'kind' in argument && argument.kind === 'constant';
}

/** Other values, such as null and booleans, are options that do not change the output. */
function keras3Argument(value: unknown, layer: string): Argument[] {
  const tensor = keras3TensorSchema.safeParse(value);
  if (tensor.success) return [toReference(tensor.data.config.keras_history)];
  const array = keras3ConstantSchema.safeParse(value);
  const numbers = numbersSchema.safeParse(array.success ? flat(array.data.config.value) : value);
  if (numbers.success) return [{ kind: 'constant', values: numbers.data }];
  return indexArgument(value, layer);
}

/** An index of an axis that is no number. An ellipsis stands for whole axes; other values are options. */
function indexArgument(value: unknown, layer: string): Argument[] {
  const slice = sliceSchema.safeParse(value);
  if (slice.success) return [{ kind: 'constant', values: [], step: slice.data.step }];
  if (ellipsisSchema.safeParse(value).success) return [];
  if (typeof value === 'object' && value !== null) throw unknownForm(layer);
  return [];
}

function keras2Arguments(item: unknown, layer: string): Argument[] {
  if (!Array.isArray(item)) throw unknownForm(layer);
  const keywords = keras2KeywordsSchema.safeParse(item[3]);
  const others = keywords.success ? operands(keywords.data) : [];
  const index = sliceSpecSchema.safeParse(keywords.success ? keywords.data['slice_spec'] : undefined);
  return [
    keras2Argument(item, layer),
    ...others.map((value) => keras2Argument(value, layer)),
    ...(index.success ? index.data.flatMap((value) => keras3Argument(value, layer)) : []),
  ];
}

function keras2Argument(value: unknown, layer: string): Argument {
  const constant = keras2ConstantSchema.safeParse(value);
  const numbers = numbersSchema.safeParse(constant.success ? constant.data[2] : value);
  if (numbers.success) return { kind: 'constant', values: numbers.data };
  const reference = referenceSchema.safeParse(value);
  if (reference.success) return toReference(reference.data);
  throw unknownForm(layer);
}

function operands(keywords: Readonly<Record<string, unknown>>): unknown[] {
  return Object.entries(keywords).flatMap(([name, value]) => (OPERANDS.has(name) ? [value] : []));
}

function flat(value: unknown): unknown {
  return Array.isArray(value) ? value.flat(Number.POSITIVE_INFINITY) : value;
}

function unknownForm(layer: string): ConversionError {
  return new ConversionError(
    `layer "${layer}": inbound_nodes must be [[name, call, output]], as in Keras 2, or {args, kwargs}, as in Keras 3`,
  );
}
