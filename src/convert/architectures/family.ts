import type { z } from 'zod';
import type { MapNode } from '../graph/ir.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Backbone } from './modules.ts';

type TableSchema = z.ZodObject<{ family: z.ZodLiteral<string> }>;

/** Everything that the converter knows about a family of networks. */
interface FamilyDefinition<S extends TableSchema> {
  /** The table that a manifest may hold: what varies within the family. */
  readonly schema: S;
  /** The tables that have a name, such as `resnet18`. */
  readonly variants: Readonly<Record<string, Omit<z.input<S>, 'family'>>>;
  /**
   * Builds the layers up to the classifier, and describes the classifier.
   *
   * @throws ConversionError when the table contradicts itself, or a tensor is missing or has another shape
   */
  build(table: z.output<S>, checkpoint: Checkpoint, input: MapNode): Backbone;
}

/** A family whose table type is erased, so that families can stand in one list. */
export interface Family {
  readonly name: string;
  readonly schema: z.ZodType<{ readonly family: string }>;
  readonly variants: Readonly<Record<string, { readonly family: string }>>;
  /** @throws ConversionError as `FamilyDefinition.build`; ZodError when the table does not fit the schema */
  build(table: object, checkpoint: Checkpoint, input: MapNode): Backbone;
}

export function defineFamily<S extends TableSchema>({ schema, variants, build }: FamilyDefinition<S>): Family {
  const family = schema.shape.family.value;
  return {
    name: family,
    schema,
    variants: Object.fromEntries(Object.entries(variants).map(([name, table]) => [name, { family, ...table }])),
    build: (table, checkpoint, input) => build(schema.parse(table), checkpoint, input),
  };
}
