import { activation, averagePool, concat, globalAveragePool, type MapNode, maxPool } from '../graph/ir.ts';
import { ceilPadding, type Pair, pair } from '../graph/windows.ts';
import type { Checkpoint } from './checkpoint.ts';
import { defineFamily } from './family.ts';
import { GOOGLENETS } from './googlenet.ts';
import { type Conv, inceptionSchema, type Layer, type MaxPool, type Parallel } from './inception-table.ts';
import { INCEPTIONS_V3 } from './inception-v3.ts';
import { convolution, normalization } from './modules.ts';

const EPSILON = 1e-3;

/** Auxiliary classifiers, which only training uses: one in Inception v3, two in GoogLeNet. */
const AUXILIARY = /^(AuxLogits|aux1|aux2)\./;

/** Inception v1 (GoogLeNet), v3, and other networks of parallel convolutions. */
export const inception = defineFamily({
  schema: inceptionSchema,
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
