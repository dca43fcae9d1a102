import { z } from 'zod';
import { activation, concat, globalAveragePool, type MapNode, maxPool } from '../graph/ir.ts';
import { ceilPadding } from '../graph/windows.ts';
import type { Checkpoint } from './checkpoint.ts';
import { defineFamily } from './family.ts';
import { type ConvolutionModule, convolution } from './modules.ts';

const size = z.int().positive();

/** A 1x1 convolution, then a 1x1 and a 3x3 convolution side by side. */
const fireSchema = z.strictObject({
  squeeze: size,
  /** Width of each of the two convolutions side by side. */
  expand: size,
});

const schema = z.strictObject({
  family: z.literal('squeezenet'),
  /** The first convolution, of stride 2 and without padding. */
  stem: z.strictObject({ width: size, kernel: size }),
  /** Fire modules, and `M` for a 3x3 max pool of stride 2 that counts windows that are not whole. */
  features: z.array(z.union([fireSchema, z.literal('M')])).min(1),
});

const fire = (squeeze: number, expand: number) => ({ squeeze, expand });

/** SqueezeNet: https://arxiv.org/abs/1602.07360; its classifier is a convolution, whose map is then averaged. */
export const squeezenet = defineFamily({
  schema,
  variants: {
    squeezenet1_0: {
      stem: { width: 96, kernel: 7 },
      features: [
        'M',
        ...[fire(16, 64), fire(16, 64), fire(32, 128)],
        'M',
        ...[fire(32, 128), fire(48, 192), fire(48, 192), fire(64, 256)],
        'M',
        fire(64, 256),
      ],
    },
    squeezenet1_1: {
      stem: { width: 64, kernel: 3 },
      features: [
        'M',
        ...[fire(16, 64), fire(16, 64)],
        'M',
        ...[fire(32, 128), fire(32, 128)],
        'M',
        ...[fire(48, 192), fire(48, 192), fire(64, 256), fire(64, 256)],
      ],
    },
  },
  build: ({ stem, features }, checkpoint, input) => {
    let x = convolutionRelu(checkpoint, 'features.0', input, { ...stem, stride: 2 });
    // torchvision numbers all modules of a list: 0 is the first convolution, 1 its relu.
    for (const [index, layer] of features.entries()) {
      const name = `features.${index + 2}`;
      x = layer === 'M' ? pool(name, x) : fireModule(checkpoint, name, x, layer);
    }
    const activations = x;
    return {
      activations,
      features: () => globalAveragePool('avgpool', activations),
      classifier: { kind: 'convolution', name: 'classifier.1' },
    };
  },
});

function pool(name: string, x: MapNode): MapNode {
  const { height, width } = x.shape;
  return maxPool(name, x, { kernel: 3, stride: 2, padding: ceilPadding([height, width], [3, 3], [2, 2]) });
}

function fireModule(
  checkpoint: Checkpoint,
  name: string,
  x: MapNode,
  { squeeze, expand }: z.output<typeof fireSchema>,
): MapNode {
  const squeezed = convolutionRelu(checkpoint, `${name}.squeeze`, x, { width: squeeze, kernel: 1 });
  return concat(name, [
    convolutionRelu(checkpoint, `${name}.expand1x1`, squeezed, { width: expand, kernel: 1 }),
    convolutionRelu(checkpoint, `${name}.expand3x3`, squeezed, { width: expand, kernel: 3, padding: 1 }),
  ]);
}

function convolutionRelu(checkpoint: Checkpoint, name: string, x: MapNode, module: ConvolutionModule): MapNode {
  return activation(`${name}.relu`, convolution(checkpoint, name, x, { ...module, bias: true }), 'relu');
}
