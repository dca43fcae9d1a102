import { seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { type DatasetFeatures, lastLayers } from '../features/dataset-features.ts';
import type { TrainingImages } from '../features/feature-set.ts';
import { crossValidate, stratifiedFolds } from '../head/cross-validation.ts';
import { squaredError } from '../head/few-images.ts';
import type { Hyperparameters } from '../head/hyperparameters.ts';
import { fitRidge } from '../head/ridge-regression.ts';
import { argmaxRows } from '../head/softmax.ts';
import { hyperparametersFor, layerCount, type SearchCandidate, shortened } from './space.ts';

/** Input of `evaluateCandidate`. */
export interface EvaluationInput {
  readonly candidate: SearchCandidate;
  /** Features of the candidate's backbone; only the training images count. */
  readonly features: DatasetFeatures;
  readonly classes: number;
  /** Of the cross-validation of a head that is not solved for. */
  readonly folds: number;
  readonly seed: number;
  readonly fixed: Partial<Hyperparameters>;
  /** Penalties of a ridge regression that are compared. */
  readonly penalties: readonly number[];
}

/** How a candidate did. */
export interface Evaluated {
  /** Whether the prediction for each image, by a head that did not see it, is right. */
  readonly right: readonly boolean[];
  readonly accuracy: number;
  /** The best penalty of a head that was solved for. */
  readonly penalty?: number;
}

/** Stream of the seed that draws the folds: the same for all candidates, so that they can be compared by image. */
const FOLDING = 14;

/**
 * Tests a candidate on training images that it did not see: a head that is solved for on each image in turn, left out
 * with its copies, which is exact and needs no further fit; a head that is trained by cross-validation.
 */
export async function evaluateCandidate(tf: TensorFlow, input: EvaluationInput): Promise<Evaluated> {
  const { candidate, features, classes, folds, seed, fixed, penalties } = input;
  const { set } = lastLayers(features, layerCount(candidate.layers, features.layers.length)).train;
  const { labels } = features.train;
  const images: TrainingImages = { set, labels, augmented: candidate.copies === 'given' && set.copies !== undefined };
  if (candidate.solved) return solved(tf, images, classes, penalties);
  const { right } = await crossValidate(tf, {
    ...images,
    classes,
    folds: stratifiedFolds(labels, folds, seededRandom(seed, FOLDING)),
    hyperparametersFor: (samples, dimension) =>
      shortened(hyperparametersFor(candidate, fixed, seed, samples, dimension)),
  });
  return { right, accuracy: shareOf(right) };
}

/** Takes the penalty with the least squared error for left-out images. */
function solved(tf: TensorFlow, images: TrainingImages, classes: number, penalties: readonly number[]): Evaluated {
  const { labels } = images;
  const [best] = fitRidge(tf, images, classes, penalties)
    .map(({ heldOut, penalty }) => ({ heldOut, penalty, error: squaredError(heldOut, labels, classes) }))
    .sort((a, b) => a.error - b.error);
  if (best === undefined) throw new Error('there must be a penalty');
  const predicted = argmaxRows(best.heldOut, classes);
  const right = Array.from(labels, (label, image) => predicted[image] === label);
  return { right, accuracy: shareOf(right), penalty: best.penalty };
}

function shareOf(right: readonly boolean[]): number {
  return right.filter(Boolean).length / right.length;
}
