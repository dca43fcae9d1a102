import type { InceptionTable, LayerRow } from './inception-table.ts';

/** Widths of: 1x1; 1x1 before 3x3, 3x3; 1x1 before the second 3x3, 3x3; 1x1 after the pool. */
type Widths = readonly [number, number, number, number, number, number];

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

/** The third branch is 3x3, as in torchvision's checkpoints, not 5x5 as in the paper. */
function module(name: string, widths: Widths): LayerRow {
  const [one, threeReduced, three, secondReduced, second, afterPool] = widths;
  return {
    name: `inception${name}`,
    parallel: [
      [{ conv: 'branch1', width: one, kernel: 1 }],
      [
        { conv: 'branch2.0', width: threeReduced, kernel: 1 },
        { conv: 'branch2.1', width: three, kernel: 3 },
      ],
      [
        { conv: 'branch3.0', width: secondReduced, kernel: 1 },
        { conv: 'branch3.1', width: second, kernel: 3 },
      ],
      [
        { max_pool: 3, stride: 1, pad: true },
        { conv: 'branch4.1', width: afterPool, kernel: 1 },
      ],
    ],
  };
}

/** The modules of one stage, with every width multiplied by `factor`, but at least 8. */
function stage(digit: string, factor = 1): LayerRow[] {
  const scaled = (width: number) => Math.max(8, Math.floor(width * factor));
  return MODULES.filter(([name]) => name.startsWith(digit)).map(([name, [a, b, c, d, e, f]]) =>
    module(name, [scaled(a), scaled(b), scaled(c), scaled(d), scaled(e), scaled(f)]),
  );
}

/** Inception v1 with batch norm: https://arxiv.org/abs/1409.4842 */
export const GOOGLENETS = {
  googlenet: {
    layers: [
      { conv: 'conv1', width: 64, kernel: 7, stride: 2 },
      { max_pool: 3, ceil: true },
      { conv: 'conv2', width: 64, kernel: 1 },
      { conv: 'conv3', width: 192, kernel: 3 },
      { max_pool: 3, ceil: true },
      ...stage('3'),
      { max_pool: 3, ceil: true },
      ...stage('4'),
      { max_pool: 2, ceil: true },
      ...stage('5'),
    ],
  },
  /** Half as wide, with a stem for small images. */
  inception_v1_slim: {
    layers: [
      { conv: 'conv1', width: 32, kernel: 3, stride: 2 },
      { conv: 'conv3', width: 96, kernel: 3 },
      { max_pool: 2 },
      ...stage('3', 0.5),
      { max_pool: 2 },
      ...stage('4', 0.5),
      { max_pool: 2 },
      ...stage('5', 0.5),
    ],
  },
} satisfies Record<string, InceptionTable>;
