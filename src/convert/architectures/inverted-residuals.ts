import { z } from 'zod';
import { activation, add, globalAveragePool, type MapNode } from '../graph/ir.ts';
import { type Pair, samePadding } from '../graph/windows.ts';
import type { Checkpoint } from './checkpoint.ts';
import { type Backbone, type ConvolutionModule, convolution, normalization } from './modules.ts';

const size = z.int().positive();

/** A run of blocks that differ only in the stride, which the first one has. */
export const stageSchema = z.strictObject({
  width: size,
  /** Number of blocks. */
  repeats: size,
  kernel: size.default(3),
  stride: size,
  /** Width inside a block divided by the width at its entrance. */
  expand: size,
});
type InvertedResidualStage = z.output<typeof stageSchema>;

/** What MobileNetV2 and EfficientNet-Lite have in common: https://arxiv.org/abs/1801.04381 */
interface InvertedResidualNetwork {
  readonly stages: readonly InvertedResidualStage[];
  /** Width of the first convolution. */
  readonly stem: number;
  /** Width of the last convolution. */
  readonly last: number;
  /** Epsilon of the batch norms. */
  readonly epsilon: number;
  /** `symmetric` is PyTorch's padding by half the kernel, `same` is TensorFlow's. */
  readonly padding: 'symmetric' | 'same';
}

/** Module names of a convolution and of its batch norm. */
type ConvNormNames = readonly [convolution: string, norm: string];

interface BlockNames {
  readonly expand: ConvNormNames;
  readonly depthwise: ConvNormNames;
  readonly project: ConvNormNames;
}

interface BlockPosition {
  /** Among all blocks. */
  readonly index: number;
  readonly stage: number;
  /** Within its stage. */
  readonly repeat: number;
  /** Whether the block begins with an expansion. */
  readonly expands: boolean;
}

/** How a checkpoint names the modules. */
export interface InvertedResidualNames {
  readonly stem: ConvNormNames;
  readonly last: ConvNormNames;
  readonly classifier: string;
  block(position: BlockPosition): BlockNames;
}

/** timm numbers the batch norms of a block from the first layer that the block has. */
export const TIMM_NAMES: InvertedResidualNames = {
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

export function buildInvertedResiduals(
  network: InvertedResidualNetwork,
  names: InvertedResidualNames,
  checkpoint: Checkpoint,
  input: MapNode,
): Backbone {
  const builder = new ConvNormBuilder(network, checkpoint);
  let x = builder.relu6(names.stem, input, { width: network.stem, kernel: 3, stride: 2 });
  let index = 0;
  for (const [stage, { repeats, stride, ...block }] of network.stages.entries()) {
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      const blockNames = names.block({ index, stage, repeat, expands: block.expand > 1 });
      x = invertedResidual(builder, blockNames, x, { ...block, stride: repeat === 0 ? stride : 1 });
      index += 1;
    }
  }
  const activations = builder.relu6(names.last, x, { width: network.last, kernel: 1 });
  return {
    activations,
    features: () => globalAveragePool('avgpool', activations),
    classifier: { kind: 'dense', name: names.classifier },
  };
}

/** A 1x1 expansion, a depthwise convolution and a 1x1 projection, with a shortcut where the shape stays the same. */
function invertedResidual(
  builder: ConvNormBuilder,
  names: BlockNames,
  x: MapNode,
  { width, kernel, stride, expand }: Omit<InvertedResidualStage, 'repeats'>,
): MapNode {
  const inner = x.shape.channels * expand;
  const expanded = expand > 1 ? builder.relu6(names.expand, x, { width: inner, kernel: 1 }) : x;
  const depthwise = builder.relu6(names.depthwise, expanded, { width: inner, kernel, stride, groups: inner });
  const projected = builder.linear(names.project, depthwise, { width, kernel: 1 });
  const keepsShape = stride === 1 && width === x.shape.channels;
  return keepsShape ? add(`${names.project[0]}.add`, projected, x) : projected;
}

type SquareModule = Pick<ConvolutionModule, 'width' | 'groups'> & {
  readonly kernel: number;
  readonly stride?: number;
};

/** Convolutions with the padding of the network, each followed by a batch norm. */
class ConvNormBuilder {
  readonly #network: Pick<InvertedResidualNetwork, 'epsilon' | 'padding'>;
  readonly #checkpoint: Checkpoint;

  constructor(network: Pick<InvertedResidualNetwork, 'epsilon' | 'padding'>, checkpoint: Checkpoint) {
    this.#network = network;
    this.#checkpoint = checkpoint;
  }

  relu6(names: ConvNormNames, x: MapNode, module: SquareModule): MapNode {
    return activation(`${names[1]}.relu6`, this.linear(names, x, module), 'relu6');
  }

  linear([conv, norm]: ConvNormNames, x: MapNode, module: SquareModule): MapNode {
    const { kernel, stride = 1 } = module;
    const map: Pair = [x.shape.height, x.shape.width];
    const padding =
      this.#network.padding === 'same' ? samePadding(map, [kernel, kernel], [stride, stride]) : Math.floor(kernel / 2);
    const convolved = convolution(this.#checkpoint, conv, x, { ...module, padding });
    return normalization(this.#checkpoint, norm, convolved, this.#network.epsilon);
  }
}
