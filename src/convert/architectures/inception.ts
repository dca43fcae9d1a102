import { z } from 'zod';
import { activation, averagePool, concat, globalAveragePool, type MapNode, maxPool } from '../graph/ir.ts';
import { ceilPadding, type Pair, pair } from '../graph/windows.ts';
import type { Checkpoint } from './checkpoint.ts';
import { defineFamily } from './family.ts';
import { GOOGLENETS } from './googlenet.ts';
import { INCEPTIONS_V3 } from './inception-v3.ts';
import { convolution, normalization } from './modules.ts';

const EPSILON = 1e-3;

/** Auxiliary classifiers, which only training uses: one in Inception v3, two in GoogLeNet. */
const AUXILIARY = /^(AuxLogits|aux1|aux2)\./;

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

type Conv = z.output<typeof convSchema>;
type MaxPool = z.output<typeof maxPoolSchema>;
type AveragePool = z.output<typeof averagePoolSchema>;
interface Parallel {
  name?: string | undefined;
  parallel: Layer[][];
}
type Layer = Conv | MaxPool | AveragePool | Parallel;

/** A layer as a table writes it, without the defaults. */
export type LayerRow =
  | z.input<typeof convSchema>
  | z.input<typeof maxPoolSchema>
  | AveragePool
  | { name?: string | undefined; parallel: LayerRow[][] };

const layerSchema: z.ZodType<Layer, LayerRow> = z.union([convSchema, maxPoolSchema, averagePoolSchema, parallelSchema]);

const schema = z.strictObject({
  family: z.literal('inception'),
  layers: z.array(layerSchema).min(1),
});

/** The table of a network, without its family. */
export type InceptionTable = Omit<z.input<typeof schema>, 'family'>;

/** Inception v1 (GoogLeNet), v3, and other networks of parallel convolutions. */
export const inception = defineFamily({
  schema,
  variants: { ...GOOGLENETS, ...INCEPTIONS_V3 },
  build: ({ layers }, checkpoint, input) => {
    const activations = sequence(layers, { checkpoint, prefix: '', path: '' }, input);
    return {
      activations,
      features: () => globalAveragePool('avgpool', activations),
      classifier: { kind: 'dense', name: 'fc' },
      trainingOnly: AUXILIARY,
    };
  },
});

/** Prefixes of names: `prefix` of tensors, `path` of layers that have no tensors. */
interface Scope {
  readonly checkpoint: Checkpoint;
  readonly prefix: string;
  readonly path: string;
}

function sequence(layers: readonly Layer[], scope: Scope, input: MapNode): MapNode {
  return layers.reduce((x, layer, index) => {
    const name = `${scope.path}${index}`;
    if ('conv' in layer) return convNormRelu(layer, scope, x);
    if ('max_pool' in layer) return maxPool(`pool${name}`, x, maxPoolWindow(layer, x));
    if ('average_pool' in layer) {
      const padding = Math.floor(layer.average_pool / 2);
      return averagePool(`pool${name}`, x, { kernel: layer.average_pool, padding, countPadding: true });
    }
    return branched(layer, { ...scope, path: `${name}.` }, x);
  }, input);
}

function convNormRelu({ conv, width, kernel, stride, pad }: Conv, { checkpoint, prefix }: Scope, x: MapNode): MapNode {
  const name = `${prefix}${conv}`;
  const padding = pad ? halfOf(kernel) : 0;
  const convolved = convolution(checkpoint, `${name}.conv`, x, { width, kernel, stride, padding });
  return activation(`${name}.relu`, normalization(checkpoint, `${name}.bn`, convolved, EPSILON), 'relu');
}

function maxPoolWindow({ max_pool: kernel, stride, pad, ceil }: MaxPool, { shape }: MapNode) {
  const map: Pair = [shape.height, shape.width];
  const padding = ceil ? ceilPadding(map, pair(kernel), pair(stride)) : pad ? halfOf(kernel) : 0;
  return { kernel, stride, padding };
}

function branched({ name, parallel }: Parallel, { checkpoint, prefix, path }: Scope, x: MapNode): MapNode {
  const inner = name === undefined ? prefix : `${prefix}${name}.`;
  const branches = parallel.map((layers, branch) =>
    sequence(layers, { checkpoint, prefix: inner, path: `${path}${branch}.` }, x),
  );
  return concat(name === undefined ? `concat${path}out` : `${prefix}${name}`, branches);
}

function halfOf(kernel: number | Pair): Pair {
  const [height, width] = pair(kernel);
  return [Math.floor(height / 2), Math.floor(width / 2)];
}
