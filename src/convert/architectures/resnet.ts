import { z } from 'zod';
import { ConversionError } from '../conversion-error.ts';
import { activation, add, globalAveragePool, type MapNode, maxPool } from '../graph/ir.ts';
import type { Checkpoint } from './checkpoint.ts';
import { defineFamily } from './family.ts';
import { convolution, normalization } from './modules.ts';

const EPSILON = 1e-5;

const schema = z.strictObject({
  family: z.literal('resnet'),
  block: z.enum(['basic', 'bottleneck']),
  /** Number of blocks in each stage. */
  layers: z.array(z.int().positive()).min(1),
  /** Width of the 3x3 convolutions of each stage; the output of a bottleneck is four times as wide. */
  widths: z.array(z.int().positive()).default([64, 128, 256, 512]),
  /** The first convolution, and whether a 3x3 max pool of stride 2 follows it. */
  stem: z
    .strictObject({ kernel: z.int().positive(), stride: z.int().positive(), pool: z.boolean() })
    .default({ kernel: 7, stride: 2, pool: true }),
  /** Groups of a bottleneck's 3x3 convolution. */
  groups: z.int().positive().default(1),
  /** Channels of a group where `widths` is 64: the 3x3 convolution has `widths * group_width / 64 * groups`. */
  group_width: z.int().positive().default(64),
});
type ResnetTable = z.output<typeof schema>;

const basic = (...layers: number[]) => ({ block: 'basic' as const, layers });
const deep = (...layers: number[]) => ({ block: 'bottleneck' as const, layers });

/** ResNet, ResNeXt and wide ResNet: https://arxiv.org/abs/1512.03385, 1611.05431 and 1605.07146 */
export const resnet = defineFamily({
  schema,
  variants: {
    resnet18: basic(2, 2, 2, 2),
    resnet18_slim: {
      ...basic(2, 2, 2, 2),
      widths: [32, 64, 128, 256],
      stem: { kernel: 3, stride: 2, pool: false },
    },
    resnet34: basic(3, 4, 6, 3),
    resnet50: deep(3, 4, 6, 3),
    resnet101: deep(3, 4, 23, 3),
    resnet152: deep(3, 8, 36, 3),
    resnext50_32x4d: { ...deep(3, 4, 6, 3), groups: 32, group_width: 4 },
    wide_resnet50_2: { ...deep(3, 4, 6, 3), group_width: 128 },
  },
  build: (table, checkpoint, input) => {
    expectConsistent(table);
    const block = table.block === 'basic' ? basicBlock : bottleneck;
    let x = stem(table, checkpoint, input);
    for (const [stage, blocks] of table.layers.entries()) {
      const width = table.widths[stage] ?? 0;
      for (let index = 0; index < blocks; index += 1) {
        // Each stage but the first halves the map in its first block.
        const stride = stage > 0 && index === 0 ? 2 : 1;
        x = block(table, checkpoint, `layer${stage + 1}.${index}`, x, width, stride);
      }
    }
    const activations = x;
    return {
      activations,
      features: () => globalAveragePool('avgpool', activations),
      classifier: { kind: 'dense', name: 'fc' },
    };
  },
});

function expectConsistent({ block, layers, widths, groups, group_width }: ResnetTable): void {
  if (widths.length < layers.length) {
    throw new ConversionError(
      `a resnet of ${layers.length} stages needs ${layers.length} widths, not ${widths.length}`,
    );
  }
  if (block === 'basic' && (groups !== 1 || group_width !== 64)) {
    throw new ConversionError('groups and group_width of a resnet need the block "bottleneck"');
  }
}

function stem({ stem, widths }: ResnetTable, checkpoint: Checkpoint, input: MapNode): MapNode {
  const { kernel, stride, pool } = stem;
  const padding = Math.floor(kernel / 2);
  const convolved = convolution(checkpoint, 'conv1', input, { width: widths[0] ?? 0, kernel, stride, padding });
  const x = activation('relu', normalization(checkpoint, 'bn1', convolved, EPSILON), 'relu');
  return pool ? maxPool('maxpool', x, { kernel: 3, stride: 2, padding: 1 }) : x;
}

type Block = (
  table: ResnetTable,
  checkpoint: Checkpoint,
  name: string,
  x: MapNode,
  width: number,
  stride: number,
) => MapNode;

const basicBlock: Block = (_table, checkpoint, name, x, width, stride) => {
  const step = stepper(checkpoint, name);
  const first = activation(`${name}.relu1`, step(x, 1, { width, kernel: 3, stride, padding: 1 }), 'relu');
  const second = step(first, 2, { width, kernel: 3, padding: 1 });
  return joined(checkpoint, name, x, second, stride);
};

/** The 3x3 convolution has the stride, as in torchvision and timm ("ResNet v1.5"). */
const bottleneck: Block = ({ groups, group_width }, checkpoint, name, x, width, stride) => {
  const step = stepper(checkpoint, name);
  const inner = Math.floor((width * group_width) / 64) * groups;
  const first = activation(`${name}.relu1`, step(x, 1, { width: inner, kernel: 1 }), 'relu');
  const second = step(first, 2, { width: inner, kernel: 3, stride, padding: 1, groups });
  const third = step(activation(`${name}.relu2`, second, 'relu'), 3, { width: 4 * width, kernel: 1 });
  return joined(checkpoint, name, x, third, stride);
};

function stepper(checkpoint: Checkpoint, name: string) {
  return (x: MapNode, index: number, module: Parameters<typeof convolution>[3]) =>
    normalization(
      checkpoint,
      `${name}.bn${index}`,
      convolution(checkpoint, `${name}.conv${index}`, x, module),
      EPSILON,
    );
}

/** Adds the shortcut, which is a 1x1 convolution where the block changes the size or width of the map. */
function joined(checkpoint: Checkpoint, name: string, x: MapNode, inner: MapNode, stride: number): MapNode {
  const width = inner.shape.channels;
  const same = stride === 1 && x.shape.channels === width;
  const skipped = same ? x : shortcut(checkpoint, `${name}.downsample`, x, width, stride);
  return activation(`${name}.relu`, add(`${name}.add`, inner, skipped), 'relu');
}

function shortcut(checkpoint: Checkpoint, name: string, x: MapNode, width: number, stride: number): MapNode {
  return normalization(
    checkpoint,
    `${name}.1`,
    convolution(checkpoint, `${name}.0`, x, { width, kernel: 1, stride }),
    EPSILON,
  );
}
