import type { InceptionTable, LayerRow } from './inception-table.ts';

type Row = Extract<LayerRow, { conv: string }>;

/** A convolution of a module. Asymmetric kernels come in pairs that together cover a square. */
const conv = (name: string, width: number, kernel: Row['kernel'] = 1): Row => ({ conv: name, width, kernel });
const halving = (name: string, width: number): Row => ({ conv: name, width, kernel: 3, stride: 2, pad: false });
const WIDE = [1, 7] as const satisfies Row['kernel'];
const TALL = [7, 1] as const satisfies Row['kernel'];

/** Figure 5 of the paper: two 3x3 convolutions in place of one 5x5. */
const moduleA = (name: string, pool: number): LayerRow => ({
  name,
  parallel: [
    [conv('branch1x1', 64)],
    [conv('branch5x5_1', 48), conv('branch5x5_2', 64, 5)],
    [conv('branch3x3dbl_1', 64), conv('branch3x3dbl_2', 96, 3), conv('branch3x3dbl_3', 96, 3)],
    [{ average_pool: 3 }, conv('branch_pool', pool)],
  ],
});

/** Figure 10 of the paper: halves the map. */
const moduleB = (name: string): LayerRow => ({
  name,
  parallel: [
    [halving('branch3x3', 384)],
    [conv('branch3x3dbl_1', 64), conv('branch3x3dbl_2', 96, 3), halving('branch3x3dbl_3', 96)],
    [{ max_pool: 3 }],
  ],
});

/** Figure 6 of the paper: 7x7 split into 1x7 and 7x1. */
const moduleC = (name: string, width: number): LayerRow => ({
  name,
  parallel: [
    [conv('branch1x1', 192)],
    [conv('branch7x7_1', width), conv('branch7x7_2', width, WIDE), conv('branch7x7_3', 192, TALL)],
    [
      conv('branch7x7dbl_1', width),
      conv('branch7x7dbl_2', width, TALL),
      conv('branch7x7dbl_3', width, WIDE),
      conv('branch7x7dbl_4', width, TALL),
      conv('branch7x7dbl_5', 192, WIDE),
    ],
    [{ average_pool: 3 }, conv('branch_pool', 192)],
  ],
});

/** Halves the map again. */
const moduleD = (name: string): LayerRow => ({
  name,
  parallel: [
    [conv('branch3x3_1', 192), halving('branch3x3_2', 320)],
    [
      conv('branch7x7x3_1', 192),
      conv('branch7x7x3_2', 192, WIDE),
      conv('branch7x7x3_3', 192, TALL),
      halving('branch7x7x3_4', 192),
    ],
    [{ max_pool: 3 }],
  ],
});

/** Figure 7 of the paper: 1x3 and 3x1 side by side. */
const moduleE = (name: string): LayerRow => ({
  name,
  parallel: [
    [conv('branch1x1', 320)],
    [
      conv('branch3x3_1', 384),
      { parallel: [[conv('branch3x3_2a', 384, [1, 3])], [conv('branch3x3_2b', 384, [3, 1])]] },
    ],
    [
      conv('branch3x3dbl_1', 448),
      conv('branch3x3dbl_2', 384, 3),
      { parallel: [[conv('branch3x3dbl_3a', 384, [1, 3])], [conv('branch3x3dbl_3b', 384, [3, 1])]] },
    ],
    [{ average_pool: 3 }, conv('branch_pool', 192)],
  ],
});

/** Inception v3, as in torchvision and timm, for images of 299x299: https://arxiv.org/abs/1512.00567 */
export const INCEPTIONS_V3 = {
  inception_v3: {
    layers: [
      halving('Conv2d_1a_3x3', 32),
      { ...conv('Conv2d_2a_3x3', 32, 3), pad: false },
      conv('Conv2d_2b_3x3', 64, 3),
      { max_pool: 3 },
      conv('Conv2d_3b_1x1', 80),
      { ...conv('Conv2d_4a_3x3', 192, 3), pad: false },
      { max_pool: 3 },
      moduleA('Mixed_5b', 32),
      moduleA('Mixed_5c', 64),
      moduleA('Mixed_5d', 64),
      moduleB('Mixed_6a'),
      moduleC('Mixed_6b', 128),
      moduleC('Mixed_6c', 160),
      moduleC('Mixed_6d', 160),
      moduleC('Mixed_6e', 192),
      moduleD('Mixed_7a'),
      moduleE('Mixed_7b'),
      moduleE('Mixed_7c'),
    ],
  },
} satisfies Record<string, InceptionTable>;
