import { z } from 'zod';
import { defineFamily } from './family.ts';
import { buildInvertedResiduals, type InvertedResidualNames, stageSchema, TIMM_NAMES } from './inverted-residuals.ts';

const size = z.int().positive();

const schema = z.strictObject({
  family: z.literal('mobilenet_v2'),
  stages: z.array(stageSchema).min(1),
  /** Width of the first convolution. */
  stem: size.default(32),
  /** Width of the last convolution. */
  last: size.default(1280),
});

/** MobileNetV2: https://arxiv.org/abs/1801.04381 */
export const mobilenetV2 = defineFamily({
  schema,
  variants: {
    mobilenet_v2: {
      stages: [
        { width: 16, repeats: 1, stride: 1, expand: 1 },
        { width: 24, repeats: 2, stride: 2, expand: 6 },
        { width: 32, repeats: 3, stride: 2, expand: 6 },
        { width: 64, repeats: 4, stride: 2, expand: 6 },
        { width: 96, repeats: 3, stride: 1, expand: 6 },
        { width: 160, repeats: 3, stride: 2, expand: 6 },
        { width: 320, repeats: 1, stride: 1, expand: 6 },
      ],
    },
  },
  build: (table, checkpoint, input) => {
    const blocks = table.stages.reduce((sum, { repeats }) => sum + repeats, 0);
    const names = checkpoint.has('conv_stem.weight') ? TIMM_NAMES : torchvisionNames(blocks);
    return buildInvertedResiduals({ ...table, epsilon: 1e-5, padding: 'symmetric' }, names, checkpoint, input);
  },
});

/** torchvision numbers all modules of a list: the stem is 0, the blocks follow, then the last convolution. */
function torchvisionNames(blocks: number): InvertedResidualNames {
  return {
    stem: ['features.0.0', 'features.0.1'],
    last: [`features.${blocks + 1}.0`, `features.${blocks + 1}.1`],
    classifier: 'classifier.1',
    block: ({ index, expands }) => {
      const name = `features.${index + 1}.conv`;
      const depthwise = expands ? 1 : 0;
      return {
        expand: [`${name}.0.0`, `${name}.0.1`],
        depthwise: [`${name}.${depthwise}.0`, `${name}.${depthwise}.1`],
        project: [`${name}.${depthwise + 1}`, `${name}.${depthwise + 2}`],
      };
    },
  };
}
