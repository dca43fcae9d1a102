import { seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { createAdamW } from './adamw.ts';
import { crossEntropy } from './cross-entropy.ts';
import { backward, copyLayer, createLayers, type DenseLayer, type Dropout, forward } from './dense-layers.ts';
import type { Hyperparameters } from './hyperparameters.ts';
import { argmaxRows, countCorrect } from './softmax.ts';
import { foldStandardization, type Standardization, unfoldGradient, unfoldStandardization } from './standardization.ts';

/** Training samples of one step. */
export interface Batch {
  /** `[rows, dimension]`, not standardised. */
  readonly features: Float32Array;
  /** `[rows]` */
  readonly labels: Int32Array;
  /** `[rows]`, of each sample in the loss. */
  readonly weights: Float32Array;
}

/** Layers in training. */
export interface GradientDescent {
  /** Takes one step. Returns the batch's mean loss and number of right answers before the step. */
  step(batch: Batch, learningRate: number): { loss: number; correct: number };
  /** A copy of the current layers, for features that are not standardised. */
  layers(): DenseLayer[];
}

/** Streams of the seed. */
const INITIALIZATION = 2;
const DROPOUT = 3;

/**
 * Starts gradient descent with AdamW. AdamW and the weight decay act on layers for standardised features. Batches are
 * not standardised: the standardization is folded into the first layer for each step.
 *
 * @param start layers to continue from, for features that are not standardised; new ones when absent
 */
export function startGradientDescent(
  tf: TensorFlow,
  classes: number,
  standardization: Standardization,
  hyperparameters: Hyperparameters,
  start?: readonly DenseLayer[],
): GradientDescent {
  const { hiddenUnits, seed, weightDecay, labelSmoothing } = hyperparameters;
  const widths = [standardization.mean.length, ...hiddenUnits, classes];
  const parameters = start
    ? start.map((layer, index) => (index === 0 ? unfoldStandardization(layer, standardization) : copyLayer(layer)))
    : createLayers(widths, seededRandom(seed, INITIALIZATION));
  const optimizers = parameters.map(({ weight, bias }) => ({
    weight: createAdamW(weight.length, weightDecay),
    bias: createAdamW(bias.length, 0),
  }));
  const dropout: Dropout = { rate: hyperparameters.dropout, random: seededRandom(seed, DROPOUT) };

  function folded(): DenseLayer[] {
    return parameters.map((layer, index) => (index === 0 ? foldStandardization(layer, standardization) : layer));
  }

  return {
    layers: () => folded().map(copyLayer),
    step: ({ features, labels, weights }, learningRate) =>
      tf.tidy(() => {
        const layers = folded();
        const pass = forward(tf, layers, features, labels.length, dropout);
        const { loss, gradient } = crossEntropy(pass.logits, classes, labels, weights, labelSmoothing);
        for (const [index, foldedGradient] of backward(tf, layers, pass, gradient).layers.entries()) {
          const layer = parameters[index];
          const optimizer = optimizers[index];
          if (!layer || !optimizer) throw new Error('there must be one gradient for each layer');
          const { weight, bias } = index === 0 ? unfoldGradient(foldedGradient, standardization) : foldedGradient;
          optimizer.weight.step(layer.weight, weight, learningRate);
          optimizer.bias.step(layer.bias, bias, learningRate);
        }
        return { loss, correct: countCorrect(argmaxRows(pass.logits, classes), labels) };
      }),
  };
}
