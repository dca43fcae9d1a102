import { z } from 'zod';
import { activation, maxPool } from '../graph/ir.ts';
import { defineFamily } from './family.ts';
import { convolution, hiddenLayers, pooledTo } from './modules.ts';

const size = z.int().positive();
const convSchema = z.strictObject({
  width: size,
  kernel: size,
  stride: size.default(1),
  padding: z.int().nonnegative(),
});

const schema = z.strictObject({
  family: z.literal('alexnet'),
  /** Convolutions, each followed by a relu, and `M` for a 3x3 max pool of stride 2. */
  features: z.array(z.union([convSchema, z.literal('M')])).min(1),
  /** Side of the map that the dense layers read. */
  pool: size.default(6),
  /** Widths of the dense layers before the last. */
  hidden: z.array(size).default([4096, 4096]),
});

/** AlexNet for one processor: https://arxiv.org/abs/1404.5997 */
export const alexnet = defineFamily({
  schema,
  variants: {
    alexnet: {
      features: [
        { width: 64, kernel: 11, stride: 4, padding: 2 },
        'M',
        { width: 192, kernel: 5, padding: 2 },
        'M',
        { width: 384, kernel: 3, padding: 1 },
        { width: 256, kernel: 3, padding: 1 },
        { width: 256, kernel: 3, padding: 1 },
        'M',
      ],
    },
  },
  // torchvision numbers all modules of a list; in `classifier` a dropout precedes each dense layer but the last.
  build: ({ features, hidden, pool }, checkpoint, input) => {
    let [x, activations, index] = [input, input, 0];
    for (const layer of features) {
      if (layer === 'M') {
        x = maxPool(`features.${index}`, x, { kernel: 3, stride: 2 });
        index += 1;
      } else {
        const convolved = convolution(checkpoint, `features.${index}`, x, { ...layer, bias: true });
        x = activation(`features.${index + 1}`, convolved, 'relu');
        activations = x;
        index += 2;
      }
    }
    const names = hidden.map((_, position) => `classifier.${3 * position + 1}`);
    return {
      activations,
      features: () => hiddenLayers(checkpoint, names, hidden, pooledTo(pool, x)),
      classifier: { kind: 'dense', name: `classifier.${3 * hidden.length}` },
    };
  },
});
