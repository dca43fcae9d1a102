import { z } from 'zod';
import type { Checkpoint } from '../checkpoint.ts';
import { concat, globalAveragePool, type MapNode, maxPool } from '../ir.ts';
import { ceilPadding } from '../windows.ts';
import { type Backbone, basicConvolution } from './modules.ts';

const EPSILON = 1e-3;

const size = z.int().positive();

const convSchema = z.strictObject({ conv: z.string(), width: size, kernel: size, stride: size.default(1) });
const poolSchema = z.strictObject({ pool: size, ceil: z.boolean().default(true) });
/** Widths of: 1x1; 1x1 before 3x3, 3x3; 1x1 before the second 3x3, 3x3; 1x1 behind the pool. */
const widthsSchema = z.tuple([size, size, size, size, size, size]);
const moduleSchema = z.strictObject({ inception: z.string(), widths: widthsSchema });

/** GoogLeNet (Inception v1) with batch norm: https://arxiv.org/abs/1409.4842 */
export const googlenetSchema = z.strictObject({
  family: z.literal('googlenet'),
  /**
   * In their order: convolutions by name, padded to keep the map's size but for the stride; max pools of stride 2,
   * where `ceil` counts a last window that is not whole; Inception modules by the end of their name.
   */
  layers: z.array(z.union([convSchema, poolSchema, moduleSchema])).min(1),
});
export type Googlenet = z.infer<typeof googlenetSchema>;
type Layer = z.input<typeof googlenetSchema>['layers'][number];
type Widths = z.infer<typeof widthsSchema>;

const MODULES: readonly (readonly [name: string, widths: Widths])[] = [
  ['3a', [64, 96, 128, 16, 32, 32]],
  ['3b', [128, 128, 192, 32, 96, 64]],
  ['4a', [192, 96, 208, 16, 48, 64]],
  ['4b', [160, 112, 224, 24, 64, 64]],
  ['4c', [128, 128, 256, 24, 64, 64]],
  ['4d', [112, 144, 288, 32, 64, 64]],
  ['4e', [256, 160, 320, 32, 128, 128]],
  ['5a', [256, 160, 320, 32, 128, 128]],
  ['5b', [384, 192, 384, 48, 128, 128]],
];

/** The modules of one stage, every width times `factor`. */
function stage(digit: string, factor = 1): Layer[] {
  const scaled = (width: number) => Math.max(8, Math.floor(width * factor));
  return MODULES.filter(([name]) => name.startsWith(digit)).map(([inception, [a, b, c, d, e, f]]) => ({
    inception,
    widths: [scaled(a), scaled(b), scaled(c), scaled(d), scaled(e), scaled(f)],
  }));
}

const HALVING: Layer = { pool: 2, ceil: false };

export const GOOGLENETS = {
  googlenet: {
    family: 'googlenet',
    layers: [
      { conv: 'conv1', width: 64, kernel: 7, stride: 2 },
      { pool: 3 },
      { conv: 'conv2', width: 64, kernel: 1 },
      { conv: 'conv3', width: 192, kernel: 3 },
      { pool: 3 },
      ...stage('3'),
      { pool: 3 },
      ...stage('4'),
      { pool: 2 },
      ...stage('5'),
    ],
  },
  /** Half as wide, with a stem for small images. */
  inception_v1_slim: {
    family: 'googlenet',
    layers: [
      { conv: 'conv1', width: 32, kernel: 3, stride: 2 },
      { conv: 'conv3', width: 96, kernel: 3 },
      HALVING,
      ...stage('3', 0.5),
      HALVING,
      ...stage('4', 0.5),
      HALVING,
      ...stage('5', 0.5),
    ],
  },
} satisfies Record<string, z.input<typeof googlenetSchema>>;

export function buildGooglenet(config: Googlenet, checkpoint: Checkpoint, input: MapNode): Backbone {
  const activations = config.layers.reduce<MapNode>((x, layer, index) => {
    if ('pool' in layer) return halved(`pool${index}`, x, layer.pool, layer.ceil);
    if ('inception' in layer) return inception(checkpoint, `inception${layer.inception}`, x, layer.widths);
    const { conv, width, kernel, stride } = layer;
    return basicConvolution(checkpoint, conv, x, { width, kernel, stride, padding: Math.floor(kernel / 2) }, EPSILON);
  }, input);
  return { activations, features: () => globalAveragePool('avgpool', activations), classifier: 'fc' };
}

function halved(name: string, x: MapNode, kernel: number, ceil: boolean): MapNode {
  const { height, width } = x.shape;
  const padding = ceil ? ceilPadding([height, width], [kernel, kernel], [2, 2], 0) : 0;
  return maxPool(name, x, { kernel, stride: 2, padding });
}

/** torchvision's third branch is 3x3, not 5x5 as in the paper, and its checkpoints are trained so. */
function inception(checkpoint: Checkpoint, name: string, x: MapNode, widths: Widths): MapNode {
  const [one, threeReduced, three, secondReduced, second, behindPool] = widths;
  const conv = (branch: string, from: MapNode, width: number, kernel: 1 | 3) =>
    basicConvolution(checkpoint, `${name}.${branch}`, from, { width, kernel, padding: kernel === 3 ? 1 : 0 }, EPSILON);
  const pool = maxPool(`${name}.branch4.0`, x, { kernel: 3, stride: 1, padding: 1 });
  return concat(name, [
    conv('branch1', x, one, 1),
    conv('branch2.1', conv('branch2.0', x, threeReduced, 1), three, 3),
    conv('branch3.1', conv('branch3.0', x, secondReduced, 1), second, 3),
    conv('branch4.1', pool, behindPool, 1),
  ]);
}
