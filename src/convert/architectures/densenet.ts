import { z } from 'zod';
import { activation, averagePool, concat, globalAveragePool, type MapNode, maxPool } from '../graph/ir.ts';
import type { Checkpoint } from './checkpoint.ts';
import { defineFamily } from './family.ts';
import { type ConvolutionModule, convolution, normalization } from './modules.ts';

const EPSILON = 1e-5;

const schema = z.strictObject({
  family: z.literal('densenet'),
  /** Number of layers in each block. */
  blocks: z.array(z.int().positive()).min(1),
  /** Channels that each layer adds. */
  growth: z.int().positive().default(32),
  /** Width of the first convolution. */
  stem: z.int().positive().default(64),
  /** Width of a layer's 1x1 convolution, in multiples of `growth`. */
  bottleneck: z.int().positive().default(4),
});

/** DenseNet: https://arxiv.org/abs/1608.06993 */
export const densenet = defineFamily({
  schema,
  variants: {
    densenet121: { blocks: [6, 12, 24, 16] },
    densenet161: { blocks: [6, 12, 36, 24], growth: 48, stem: 96 },
    densenet169: { blocks: [6, 12, 32, 32] },
    densenet201: { blocks: [6, 12, 48, 32] },
  },
  build: (table, checkpoint, input) => {
    const stem = { width: table.stem, kernel: 7, stride: 2, padding: 3 };
    const first = convolution(checkpoint, 'features.conv0', input, stem);
    const pool = { kernel: 3, stride: 2, padding: 1 };
    let x = maxPool('features.pool0', normRelu(checkpoint, 'features.norm0', first), pool);
    for (const [index, layers] of table.blocks.entries()) {
      if (index > 0) x = transition(checkpoint, `features.transition${index}`, x);
      for (let layer = 1; layer <= layers; layer += 1) {
        x = denseLayer(table, checkpoint, `features.denseblock${index + 1}.denselayer${layer}`, x);
      }
    }
    const activations = normRelu(checkpoint, 'features.norm5', x);
    return {
      activations,
      features: () => globalAveragePool('avgpool', activations),
      classifier: { kind: 'dense', name: 'classifier' },
    };
  },
});

type DensenetTable = z.output<typeof schema>;

/** A layer that reads the output of all layers before it in its block, and appends its own channels. */
function denseLayer({ growth, bottleneck }: DensenetTable, checkpoint: Checkpoint, name: string, x: MapNode): MapNode {
  // The first checkpoints of torchvision have a dot before the number: `norm.1`.
  const dot = checkpoint.has(`${name}.norm.1.weight`) ? '.' : '';
  const step = (from: MapNode, index: 1 | 2, module: ConvolutionModule) =>
    convolution(
      checkpoint,
      `${name}.conv${dot}${index}`,
      normRelu(checkpoint, `${name}.norm${dot}${index}`, from),
      module,
    );
  const reduced = step(x, 1, { width: bottleneck * growth, kernel: 1 });
  return concat(name, [x, step(reduced, 2, { width: growth, kernel: 3, padding: 1 })]);
}

/** Halves the size and the channels of the map. */
function transition(checkpoint: Checkpoint, name: string, x: MapNode): MapNode {
  const width = Math.floor(x.shape.channels / 2);
  const narrowed = convolution(checkpoint, `${name}.conv`, normRelu(checkpoint, `${name}.norm`, x), {
    width,
    kernel: 1,
  });
  return averagePool(`${name}.pool`, narrowed, { kernel: 2, stride: 2, countPadding: false });
}

function normRelu(checkpoint: Checkpoint, name: string, x: MapNode): MapNode {
  return activation(`${name}.relu`, normalization(checkpoint, name, x, EPSILON), 'relu');
}
