import { z } from 'zod';
import { activation, averagePool, concat, globalAveragePool, type MapNode, maxPool } from '../graph/ir.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type Backbone, type ConvolutionModule, convolution, normalization } from './modules.ts';

const EPSILON = 1e-5;

/** DenseNet: https://arxiv.org/abs/1608.06993 */
export const densenetSchema = z.strictObject({
  family: z.literal('densenet'),
  /** Layers in each block. */
  blocks: z.array(z.int().positive()).min(1),
  /** Channels that each layer adds. */
  growth: z.int().positive().default(32),
  /** Channels of the first convolution. */
  stem: z.int().positive().default(64),
  /** A layer's 1x1 convolution is this many times `growth` wide. */
  bottleneck: z.int().positive().default(4),
});
export type Densenet = z.output<typeof densenetSchema>;

export const DENSENETS = {
  densenet121: { family: 'densenet', blocks: [6, 12, 24, 16] },
  densenet161: { family: 'densenet', blocks: [6, 12, 36, 24], growth: 48, stem: 96 },
  densenet169: { family: 'densenet', blocks: [6, 12, 32, 32] },
  densenet201: { family: 'densenet', blocks: [6, 12, 48, 32] },
} satisfies Record<string, z.input<typeof densenetSchema>>;

export function buildDensenet(config: Densenet, checkpoint: Checkpoint, input: MapNode): Backbone {
  const first = convolution(checkpoint, 'features.conv0', input, {
    width: config.stem,
    kernel: 7,
    stride: 2,
    padding: 3,
  });
  let x = maxPool('features.pool0', normRelu(checkpoint, 'features.norm0', first), {
    kernel: 3,
    stride: 2,
    padding: 1,
  });
  for (const [index, layers] of config.blocks.entries()) {
    if (index > 0) x = transition(checkpoint, `features.transition${index}`, x);
    for (let layer = 1; layer <= layers; layer += 1) {
      x = denseLayer(config, checkpoint, `features.denseblock${index + 1}.denselayer${layer}`, x);
    }
  }
  const activations = normRelu(checkpoint, 'features.norm5', x);
  return { activations, features: () => globalAveragePool('avgpool', activations), classifier: 'classifier' };
}

/** Reads all that the layers before it made, and adds its own channels to it. */
function denseLayer({ growth, bottleneck }: Densenet, checkpoint: Checkpoint, name: string, x: MapNode): MapNode {
  // torchvision's first checkpoints have a dot before the number: `norm.1`.
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

/** Halves the map and its channels. */
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
