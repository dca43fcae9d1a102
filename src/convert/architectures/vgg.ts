import { z } from 'zod';
import { activation, type MapNode, maxPool } from '../graph/ir.ts';
import type { Checkpoint } from './checkpoint.ts';
import { defineFamily } from './family.ts';
import { convolution, hiddenLayers, normalization, pooledTo } from './modules.ts';

const EPSILON = 1e-5;

const schema = z.strictObject({
  family: z.literal('vgg'),
  /** Widths of the 3x3 convolutions, and `M` for a 2x2 max pool that halves the map. */
  features: z.array(z.union([z.int().positive(), z.literal('M')])).min(1),
  batch_norm: z.boolean().default(false),
  /** Side of the map that the dense layers read; 1 is the mean of each channel. */
  pool: z.int().positive().default(7),
  /** Widths of the dense layers before the last. */
  hidden: z.array(z.int().positive()).default([4096, 4096]),
});
type VggTable = z.output<typeof schema>;

/** VGG: https://arxiv.org/abs/1409.1556 */
export const vgg = defineFamily({
  schema,
  variants: {
    vgg11: deep([1, 1, 2, 2, 2], false),
    vgg11_bn: deep([1, 1, 2, 2, 2], true),
    vgg11_bn_slim: {
      features: [32, 'M', 64, 'M', 128, 128, 'M', 256, 256, 'M', 256, 256],
      batch_norm: true,
      pool: 1,
      hidden: [],
    },
    vgg13: deep([2, 2, 2, 2, 2], false),
    vgg13_bn: deep([2, 2, 2, 2, 2], true),
    vgg16: deep([2, 2, 3, 3, 3], false),
    vgg16_bn: deep([2, 2, 3, 3, 3], true),
    vgg19: deep([2, 2, 4, 4, 4], false),
    vgg19_bn: deep([2, 2, 4, 4, 4], true),
  },
  build: (table, checkpoint, input) => {
    const { last, activations } = convolutions(table, checkpoint, input);
    const names = denseNames(table, checkpoint);
    return {
      activations,
      features: () => hiddenLayers(checkpoint, names.hidden, table.hidden, pooledTo(table.pool, last)),
      classifier: { kind: 'dense', name: names.last },
    };
  },
});

/** Five stages of `counts` convolutions, each followed by a max pool. */
function deep(counts: readonly number[], batch_norm: boolean) {
  const features = counts.flatMap((count, stage) => [
    ...Array<number>(count).fill(Math.min(64 * 2 ** stage, 512)),
    'M' as const,
  ]);
  return { features, batch_norm };
}

/** torchvision numbers all modules of a list, also relus and pools. */
function convolutions(table: VggTable, checkpoint: Checkpoint, input: MapNode) {
  let [x, activations, index] = [input, input, 0];
  for (const width of table.features) {
    if (width === 'M') {
      x = maxPool(`features.${index}`, x, { kernel: 2, stride: 2 });
      index += 1;
      continue;
    }
    x = convolution(checkpoint, `features.${index}`, x, { width, kernel: 3, padding: 1, bias: true });
    if (table.batch_norm) {
      index += 1;
      x = normalization(checkpoint, `features.${index}`, x, EPSILON);
    }
    x = activation(`features.${index + 1}`, x, 'relu');
    activations = x;
    index += 2;
  }
  return { last: x, activations };
}

/** torchvision counts a relu and a dropout between dense layers; timm has names for the layers. */
function denseNames({ hidden }: VggTable, checkpoint: Checkpoint): { hidden: string[]; last: string } {
  if (checkpoint.has('pre_logits.fc1.weight')) {
    return { hidden: hidden.map((_, index) => `pre_logits.fc${index + 1}`), last: 'head.fc' };
  }
  return { hidden: hidden.map((_, index) => `classifier.${3 * index}`), last: `classifier.${3 * hidden.length}` };
}
