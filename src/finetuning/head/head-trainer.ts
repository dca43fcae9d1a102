import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { createAdamW } from './adamw.ts';
import { argmaxRows, crossEntropy } from './cross-entropy.ts';
import { backward, createLayers, type DenseLayer, type Dropout, forward } from './head-network.ts';
import type { HeadSettings } from './head-settings.ts';
import { seededRandom } from './random.ts';
import { foldStandardization, type Standardization, unfoldGradient, unfoldStandardization } from './standardize.ts';

/** Rows drawn from the training samples: `features` `[rows, dimension]`, raw. */
export interface Batch {
  readonly features: Float32Array;
  readonly labels: Int32Array;
  readonly weights: Float32Array;
}

/** A head while it is trained. */
export interface HeadTrainer {
  /** One step of gradient descent: the batch's mean loss, and how many of its rows were right before the step. */
  step(batch: Batch, learningRate: number): { loss: number; correct: number };
  /** A copy of the layers as they are now, for raw features. */
  layers(): DenseLayer[];
}

/** Streams of the seed. */
const INITIALISATION = 2;
const DROPOUT = 3;

/**
 * Starts a head, or goes on with one that takes raw features, for `standardization.mean.length` features and `classes` classes. Its parameters, and what Adam and the
 * weight decay see, are those for standardised features; the batches stay raw.
 */
export function createHeadTrainer(
  tf: TensorFlow,
  classes: number,
  standardization: Standardization,
  settings: HeadSettings,
  start?: readonly DenseLayer[],
): HeadTrainer {
  const sizes = [standardization.mean.length, ...settings.hiddenUnits, classes];
  const parameters = start
    ? start.map((layer, index) => (index === 0 ? unfoldStandardization(layer, standardization) : copyOf(layer)))
    : createLayers(sizes, seededRandom(settings.seed, INITIALISATION));
  const optimizers = parameters.map(({ weight, bias }) => ({
    weight: createAdamW(weight.length, settings.weightDecay),
    bias: createAdamW(bias.length, 0),
  }));
  const dropout: Dropout = { rate: settings.dropout, random: seededRandom(settings.seed, DROPOUT) };

  function folded(): DenseLayer[] {
    return parameters.map((layer, index) => (index === 0 ? foldStandardization(layer, standardization) : layer));
  }

  return {
    layers: () => folded().map(copyOf),
    step: ({ features, labels, weights }, learningRate) =>
      tf.tidy(() => {
        const layers = folded();
        const pass = forward(tf, layers, features, labels.length, dropout);
        const { loss, gradient } = crossEntropy(pass.logits, classes, labels, weights, settings.labelSmoothing);
        for (const [index, folded] of backward(tf, layers, pass, gradient).entries()) {
          const layer = parameters[index];
          const optimizer = optimizers[index];
          if (!layer || !optimizer) throw new Error('there is one gradient a layer');
          const { weight, bias } = index === 0 ? unfoldGradient(folded, standardization) : folded;
          optimizer.weight.step(layer.weight, weight, learningRate);
          optimizer.bias.step(layer.bias, bias, learningRate);
        }
        return { loss, correct: countEqual(argmaxRows(pass.logits, classes), labels) };
      }),
  };
}

function copyOf(layer: DenseLayer): DenseLayer {
  return { ...layer, weight: layer.weight.slice(), bias: layer.bias.slice() };
}

/** How many positions of two arrays hold the same value. */
export function countEqual(left: Int32Array, right: Int32Array): number {
  let equal = 0;
  for (let i = 0; i < left.length; i++) if (left[i] === right[i]) equal++;
  return equal;
}
