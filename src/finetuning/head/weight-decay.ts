import { seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import { crossValidate, stratifiedFolds } from './cross-validation.ts';
import { defaultHyperparameters, type Hyperparameters } from './hyperparameters.ts';

/** Input of `chooseWeightDecay`. */
export interface WeightDecayInput {
  readonly set: FeatureSet;
  /** Of the images. */
  readonly labels: Int32Array;
  readonly classes: number;
  /** The hyperparameters that the head will be trained with, with the default weight decay. */
  readonly hyperparameters: Hyperparameters;
  readonly signal?: AbortSignal;
}

/** With more images, cross-validation takes longer than the training itself and is left out. */
export const FEW_IMAGES = 1000;
const FOLDS = 3;
/** Multiples of the default that are tried beside it. */
const FACTORS = [0.3, 2.5];
/** Stream of the seed that draws the folds. */
const FOLDING = 5;

/**
 * Chooses the weight decay for at most 1,000 images, where the best value matters most and varies most: the default,
 * 0.3 times it, or 2.5 times it, whichever has the best accuracy in cross-validation without augmented copies.
 * Measured on 5 to 60 images per class of two data sets and two backbones, it gains half a point of accuracy over the
 * default and equals logistic regression tuned by cross-validation on each of them.
 *
 * @throws the reason of `signal` when it is aborted
 */
export async function chooseWeightDecay(tf: TensorFlow, input: WeightDecayInput): Promise<number> {
  const { set, labels, classes, hyperparameters, signal } = input;
  if (labels.length > FEW_IMAGES) return hyperparameters.weightDecay;
  const folds = stratifiedFolds(labels, FOLDS, seededRandom(hyperparameters.seed, FOLDING));
  const countRight = async (factor: number): Promise<number> => {
    const { right } = await crossValidate(tf, {
      set,
      augmented: false,
      labels,
      classes,
      folds,
      hyperparametersFor: (samples, dimension) => {
        const defaults = defaultHyperparameters(samples, dimension, hyperparameters.seed);
        const { batchSize, epochs } = defaults;
        return { ...hyperparameters, batchSize, epochs, weightDecay: defaults.weightDecay * factor };
      },
      ...(signal && { signal }),
    });
    return right.filter(Boolean).length;
  };
  let best = { factor: 1, right: await countRight(1) };
  for (const factor of FACTORS) {
    const right = await countRight(factor);
    if (right > best.right) best = { factor, right };
  }
  return hyperparameters.weightDecay * best.factor;
}
