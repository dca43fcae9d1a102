import { z } from 'zod';
import { activation, add, globalAveragePool, type MapNode } from '../graph/ir.ts';
import { type Pair, samePadding } from '../graph/windows.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type Backbone, type ConvolutionModule, convolution, normalization } from './modules.ts';

const EPSILON = 1e-3;

const size = z.int().positive();

/** Inverted residual blocks, alike but for the first, which has the stride. */
const stageSchema = z.strictObject({
  width: size,
  /** Blocks. */
  repeats: size,
  kernel: size,
  stride: size,
  /** How many times wider a block is inside than at its entrance. */
  expand: size,
});
type Stage = z.output<typeof stageSchema>;

/** EfficientNet-Lite: relu6, no squeeze and excitation, TensorFlow's `same` padding. https://arxiv.org/abs/1905.11946 */
export const efficientnetSchema = z.strictObject({
  family: z.literal('efficientnet_lite'),
  stages: z.array(stageSchema).min(1),
  /** Channels of the first convolution, and of the last. */
  stem: size.default(32),
  last: size.default(1280),
});
export type Efficientnet = z.output<typeof efficientnetSchema>;
type Table = z.input<typeof efficientnetSchema>;

const STAGES: readonly Stage[] = [
  { width: 16, repeats: 1, kernel: 3, stride: 1, expand: 1 },
  { width: 24, repeats: 2, kernel: 3, stride: 2, expand: 6 },
  { width: 40, repeats: 2, kernel: 5, stride: 2, expand: 6 },
  { width: 80, repeats: 3, kernel: 3, stride: 2, expand: 6 },
  { width: 112, repeats: 3, kernel: 5, stride: 1, expand: 6 },
  { width: 192, repeats: 4, kernel: 5, stride: 2, expand: 6 },
  { width: 320, repeats: 1, kernel: 3, stride: 1, expand: 6 },
];

/** Widths go to the nearest multiple of 8, but not down by more than a tenth; first and last stage keep their depth. */
function scaled(width: number, depth: number): Table {
  const stages = STAGES.map((stage, index) => {
    const exact = stage.width * width;
    const rounded = Math.max(8, Math.floor((exact + 4) / 8) * 8);
    const fixed = index === 0 || index === STAGES.length - 1;
    return {
      ...stage,
      width: rounded < 0.9 * exact ? rounded + 8 : rounded,
      repeats: fixed ? stage.repeats : Math.ceil(stage.repeats * depth),
    };
  });
  return { family: 'efficientnet_lite', stages };
}

export const EFFICIENTNETS = {
  efficientnet_lite0: scaled(1, 1),
  efficientnet_lite1: scaled(1, 1.1),
  efficientnet_lite2: scaled(1.1, 1.2),
  efficientnet_lite3: scaled(1.2, 1.4),
  efficientnet_lite4: scaled(1.4, 1.8),
} satisfies Record<string, Table>;

export function buildEfficientnet(config: Efficientnet, checkpoint: Checkpoint, input: MapNode): Backbone {
  const names = checkpoint.has('_conv_stem.weight') ? ORIGINAL : TIMM;
  let x = step(checkpoint, names.stem, input, { width: config.stem, kernel: 3, stride: 2 });
  let index = 0;
  for (const [stage, { repeats, stride, ...block }] of config.stages.entries()) {
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      const name = names.block({ index, stage, repeat, expands: block.expand > 1 });
      x = invertedResidual(checkpoint, name, x, { ...block, stride: repeat === 0 ? stride : 1 });
      index += 1;
    }
  }
  const activations = step(checkpoint, names.last, x, { width: config.last, kernel: 1 });
  return { activations, features: () => globalAveragePool('avgpool', activations), classifier: names.classifier };
}

/** A convolution and its batch norm, by the names of both. */
type Step = readonly [convolution: string, norm: string];
interface BlockNames {
  readonly expand: Step;
  readonly depthwise: Step;
  readonly project: Step;
}
interface BlockPlace {
  /** Among all blocks. */
  readonly index: number;
  readonly stage: number;
  /** Within its stage. */
  readonly repeat: number;
  /** Whether the block begins with an expansion. */
  readonly expands: boolean;
}
interface Names {
  readonly stem: Step;
  readonly last: Step;
  readonly classifier: string;
  block(place: BlockPlace): BlockNames;
}

/** Names of the PyTorch port of the authors' models. */
const ORIGINAL: Names = {
  stem: ['_conv_stem', '_bn0'],
  last: ['_conv_head', '_bn1'],
  classifier: '_fc',
  block: ({ index }) => ({
    expand: [`_blocks.${index}._expand_conv`, `_blocks.${index}._bn0`],
    depthwise: [`_blocks.${index}._depthwise_conv`, `_blocks.${index}._bn1`],
    project: [`_blocks.${index}._project_conv`, `_blocks.${index}._bn2`],
  }),
};

/** Names of timm, which counts a block's layers from the first that it has. */
const TIMM: Names = {
  stem: ['conv_stem', 'bn1'],
  last: ['conv_head', 'bn2'],
  classifier: 'classifier',
  block: ({ stage, repeat, expands }) => {
    const name = `blocks.${stage}.${repeat}`;
    return {
      expand: [`${name}.conv_pw`, `${name}.bn1`],
      depthwise: [`${name}.conv_dw`, `${name}.bn${expands ? 2 : 1}`],
      project: [`${name}.${expands ? 'conv_pwl' : 'conv_pw'}`, `${name}.bn${expands ? 3 : 2}`],
    };
  },
};

/** 1x1 out to `expand` times the channels, depthwise there, 1x1 back; around it where the map stays as it is. */
function invertedResidual(
  checkpoint: Checkpoint,
  names: BlockNames,
  x: MapNode,
  { width, kernel, stride, expand }: Omit<Stage, 'repeats'>,
): MapNode {
  const inner = x.shape.channels * expand;
  const expanded = expand > 1 ? step(checkpoint, names.expand, x, { width: inner, kernel: 1 }) : x;
  const seen = step(checkpoint, names.depthwise, expanded, { width: inner, kernel, stride, groups: inner });
  const projected = convNorm(checkpoint, names.project, seen, { width, kernel: 1 });
  const stays = stride === 1 && width === x.shape.channels;
  return stays ? add(`${names.project[0]}.add`, projected, x) : projected;
}

type SquareModule = Omit<ConvolutionModule, 'kernel' | 'stride' | 'padding'> & { kernel: number; stride?: number };

function step(checkpoint: Checkpoint, names: Step, x: MapNode, module: SquareModule): MapNode {
  return activation(`${names[1]}.relu6`, convNorm(checkpoint, names, x, module), 'relu6');
}

function convNorm(checkpoint: Checkpoint, [conv, norm]: Step, x: MapNode, module: SquareModule): MapNode {
  const { kernel, stride = 1 } = module;
  const map: Pair = [x.shape.height, x.shape.width];
  const padding = samePadding(map, [kernel, kernel], [stride, stride]);
  return normalization(checkpoint, norm, convolution(checkpoint, conv, x, { ...module, padding }), EPSILON);
}
