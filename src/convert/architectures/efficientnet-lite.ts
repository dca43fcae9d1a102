import { z } from 'zod';
import { defineFamily } from './family.ts';
import { buildInvertedResiduals, type InvertedResidualNames, stageSchema, TIMM_NAMES } from './inverted-residuals.ts';

const size = z.int().positive();

const schema = z.strictObject({
  family: z.literal('efficientnet_lite'),
  stages: z.array(stageSchema).min(1),
  /** Width of the first convolution. */
  stem: size.default(32),
  /** Width of the last convolution. */
  last: size.default(1280),
});

/** EfficientNet-Lite: relu6, no squeeze and excitation, TensorFlow's padding. https://arxiv.org/abs/1905.11946 */
export const efficientnetLite = defineFamily({
  schema,
  variants: {
    efficientnet_lite0: { stages: scaled(1, 1) },
    efficientnet_lite1: { stages: scaled(1, 1.1) },
    efficientnet_lite2: { stages: scaled(1.1, 1.2) },
    efficientnet_lite3: { stages: scaled(1.2, 1.4) },
    efficientnet_lite4: { stages: scaled(1.4, 1.8) },
  },
  build: (table, checkpoint, input) => {
    const names = checkpoint.has('_conv_stem.weight') ? ORIGINAL_NAMES : TIMM_NAMES;
    return buildInvertedResiduals({ ...table, epsilon: 1e-3, padding: 'same' }, names, checkpoint, input);
  },
});

/**
 * The stages of the smallest network, scaled. Widths are rounded to a multiple of 8, but down by a tenth at most; the
 * first and the last stage keep their depth.
 */
function scaled(width: number, depth: number): z.input<typeof stageSchema>[] {
  const stages = [
    { width: 16, repeats: 1, kernel: 3, stride: 1, expand: 1 },
    { width: 24, repeats: 2, kernel: 3, stride: 2, expand: 6 },
    { width: 40, repeats: 2, kernel: 5, stride: 2, expand: 6 },
    { width: 80, repeats: 3, kernel: 3, stride: 2, expand: 6 },
    { width: 112, repeats: 3, kernel: 5, stride: 1, expand: 6 },
    { width: 192, repeats: 4, kernel: 5, stride: 2, expand: 6 },
    { width: 320, repeats: 1, kernel: 3, stride: 1, expand: 6 },
  ];
  return stages.map((stage, index) => {
    const exact = stage.width * width;
    const rounded = Math.max(8, Math.floor((exact + 4) / 8) * 8);
    const fixed = index === 0 || index === stages.length - 1;
    return {
      ...stage,
      width: rounded < 0.9 * exact ? rounded + 8 : rounded,
      repeats: fixed ? stage.repeats : Math.ceil(stage.repeats * depth),
    };
  });
}

/** Names of the PyTorch port of the authors' checkpoints. */
const ORIGINAL_NAMES: InvertedResidualNames = {
  stem: ['_conv_stem', '_bn0'],
  last: ['_conv_head', '_bn1'],
  classifier: '_fc',
  block: ({ index }) => ({
    expand: [`_blocks.${index}._expand_conv`, `_blocks.${index}._bn0`],
    depthwise: [`_blocks.${index}._depthwise_conv`, `_blocks.${index}._bn1`],
    project: [`_blocks.${index}._project_conv`, `_blocks.${index}._bn2`],
  }),
};
