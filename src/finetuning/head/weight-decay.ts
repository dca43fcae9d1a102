import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import { crossValidate } from './cross-validation.ts';
import { stratifiedFolds } from './folds.ts';
import { defaultHeadSettings, type HeadSettings } from './head-settings.ts';
import { seededRandom } from './random.ts';

/** What a choice of the weight decay needs. */
export interface WeightDecayInput {
  readonly set: FeatureSet;
  /** Of the images. */
  readonly labels: Int32Array;
  readonly classes: number;
  /** What the head will be trained with; its weight decay is the one that is doubted. */
  readonly settings: HeadSettings;
  readonly signal?: AbortSignal;
}

/** With more images than these, what cross-validation tells is not worth its time: it takes longer than the training. */
export const FEW_IMAGES = 1000;
const FOLDS = 3;
/** Multiples of the default that are tried beside it. */
const FACTORS = [0.3, 2.5];
/** Stream of the seed that draws the folds. */
const FOLDING = 5;

/**
 * The weight decay for a data set of few images, where it matters most and differs most: of the default, less and more,
 * the one whose heads are right on most of the images that they have not seen. Copies take no part. Measured on 5 to 60
 * images a class of two data sets and two backbones, it gains half a point of accuracy over the default, and is as good
 * as a logistic regression that is tuned by cross-validation on each of them.
 * @throws the signal's reason when it is aborted
 */
export async function chooseWeightDecay(tf: TensorFlow, input: WeightDecayInput): Promise<number> {
  const { set, labels, classes, settings, signal } = input;
  if (labels.length > FEW_IMAGES) return settings.weightDecay;
  const folds = stratifiedFolds(labels, FOLDS, seededRandom(settings.seed, FOLDING));
  const rightWith = async (factor: number): Promise<number> => {
    const { right } = await crossValidate(tf, {
      set,
      augmented: false,
      labels,
      classes,
      folds,
      settingsFor: (samples, dimension) => {
        const { weightDecay, batchSize, epochs } = defaultHeadSettings(samples, dimension, settings.seed);
        return { ...settings, batchSize, epochs, weightDecay: weightDecay * factor };
      },
      ...(signal && { signal }),
    });
    return right.filter(Boolean).length;
  };
  let best = { factor: 1, right: await rightWith(1) };
  for (const factor of FACTORS) {
    const right = await rightWith(factor);
    if (right > best.right) best = { factor, right };
  }
  return settings.weightDecay * best.factor;
}
