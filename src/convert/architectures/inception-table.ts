import { z } from 'zod';

const size = z.int().positive();

/** A convolution without bias, a batch norm and a relu; their tensors are `<conv>.conv` and `<conv>.bn`. */
const convSchema = z.strictObject({
  conv: z.string(),
  width: size,
  kernel: z.union([size, z.tuple([size, size])]),
  stride: size.default(1),
  /** Whether the map is padded by half the kernel on each side. */
  pad: z.boolean().default(true),
});
const maxPoolSchema = z.strictObject({
  max_pool: size,
  stride: size.default(2),
  pad: z.boolean().default(false),
  /** Whether a last window that is not whole counts (PyTorch's `ceil_mode`); cannot be combined with `pad`. */
  ceil: z.boolean().default(false),
});
/** An average pool of stride 1, padded by half the window; the padding counts as zeros. */
const averagePoolSchema = z.strictObject({ average_pool: size });
/** Branches over the same map, whose outputs are concatenated. `name` prefixes the names of their tensors. */
const parallelSchema = z.strictObject({
  name: z.string().optional(),
  parallel: z.lazy(() => z.array(z.array(layerSchema).min(1)).min(1)),
});

export type Conv = z.output<typeof convSchema>;
export type MaxPool = z.output<typeof maxPoolSchema>;
type AveragePool = z.output<typeof averagePoolSchema>;
export interface Parallel {
  name?: string | undefined;
  parallel: Layer[][];
}
export type Layer = Conv | MaxPool | AveragePool | Parallel;

/** A layer as a table writes it, without the defaults. */
export type LayerRow =
  | z.input<typeof convSchema>
  | z.input<typeof maxPoolSchema>
  | AveragePool
  | { name?: string | undefined; parallel: LayerRow[][] };

const layerSchema: z.ZodType<Layer, LayerRow> = z.union([convSchema, maxPoolSchema, averagePoolSchema, parallelSchema]);

export const inceptionSchema = z.strictObject({
  family: z.literal('inception'),
  layers: z.array(layerSchema).min(1),
});

/** The table of a network, without its family. */
export type InceptionTable = Omit<z.input<typeof inceptionSchema>, 'family'>;
