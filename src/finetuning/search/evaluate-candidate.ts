import { seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { type DatasetFeatures, lastLayers } from '../features/dataset-features.ts';
import type { FeatureSet } from '../features/feature-set.ts';
import { crossValidate, stratifiedFolds } from '../head/cross-validation.ts';
import { computeLogits } from '../head/dense-layers.ts';
import { solvedLayers, solveHead } from '../head/few-images.ts';
import type { Hyperparameters } from '../head/hyperparameters.ts';
import { argmaxRows } from '../head/softmax.ts';
import { hyperparametersFor, layerCount, type SearchCandidate } from './space.ts';

/** Input of `evaluateCandidate`. */
export interface EvaluationInput {
  readonly candidate: SearchCandidate;
  /** Features of the candidate's backbone and copies; only the training images count. */
  readonly features: DatasetFeatures;
  readonly classes: number;
  readonly folds: number;
  readonly seed: number;
  readonly fixed: Partial<Hyperparameters>;
}

/** Stream of the seed that draws the folds: the same for all candidates, so that they can be compared by image. */
const FOLDING = 14;

/** Cross-validates a candidate on the training images. */
export async function evaluateCandidate(
  tf: TensorFlow,
  { candidate, features, classes, folds: count, seed, fixed }: EvaluationInput,
): Promise<{ readonly right: readonly boolean[]; readonly accuracy: number; readonly spread: number }> {
  const { labels } = features.train;
  const folds = stratifiedFolds(labels, count, seededRandom(seed, FOLDING));
  const { set } = lastLayers(features, layerCount(candidate.layers, features.layers.length)).train;
  const { right } = candidate.solved
    ? { right: solveFolds(tf, features, classes, folds, count) }
    : await crossValidate(tf, {
        set,
        augmented: set.copies !== undefined,
        labels,
        classes,
        folds,
        hyperparametersFor: (samples, dimension) => hyperparametersFor(candidate, fixed, seed, samples, dimension),
      });
  const shares = Array.from({ length: count }, (_, fold) => {
    const own = right.filter((_right, image) => folds[image] === fold);
    return own.filter(Boolean).length / own.length;
  });
  const accuracy = right.filter(Boolean).length / right.length;
  const mean = shares.reduce((sum, share) => sum + share, 0) / count;
  const spread = Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / Math.max(1, count - 1));
  return { right, accuracy, spread };
}

function solveFolds(
  tf: TensorFlow,
  features: DatasetFeatures,
  classes: number,
  folds: Int32Array,
  count: number,
): boolean[] {
  const { set, labels } = features.train;
  const right = new Array<boolean>(labels.length).fill(false);
  for (let fold = 0; fold < count; fold++) {
    const inside = [...folds.keys()].filter((image) => folds[image] !== fold);
    const outside = [...folds.keys()].filter((image) => folds[image] === fold);
    const empty = { features: new Float32Array(), labels: new Int32Array() };
    const part = {
      layers: features.layers,
      train: { set: subset(set, inside), labels: Int32Array.from(inside, (image) => labels[image] ?? 0) },
      validation: empty,
      // The solved head says which layers it reads; the test features are cut to them.
      test: { features: rows(set.originals, set.dimension, outside), labels: new Int32Array(outside.length) },
      testNames: [],
    };
    const solved = solveHead(tf, part, classes, solvedLayers(features.layers.length));
    const predicted = argmaxRows(computeLogits(tf, solved.head.layers, solved.features.test.features), classes);
    for (const [row, image] of outside.entries()) right[image] = predicted[row] === labels[image];
  }
  return right;
}

function subset({ copies, originals, ...set }: FeatureSet, images: readonly number[]): FeatureSet {
  const { dimension } = set;
  const places = new Map(images.map((image, place) => [image, place]));
  const kept = copies ? [...copies.sources.keys()].filter((row) => places.has(copies.sources[row] ?? -1)) : [];
  return {
    ...set,
    originals: rows(originals, dimension, images),
    ...(copies && {
      copies: {
        features: rows(copies.features, dimension, kept),
        sources: Int32Array.from(kept, (row) => places.get(copies.sources[row] ?? -1) ?? 0),
      },
    }),
  };
}

function rows(matrix: Float32Array, dimension: number, chosen: readonly number[]): Float32Array {
  const result = new Float32Array(chosen.length * dimension);
  for (const [to, from] of chosen.entries()) {
    result.set(matrix.subarray(from * dimension, (from + 1) * dimension), to * dimension);
  }
  return result;
}
