import { seededRandom } from '../../common/random.ts';
import type { NoveltyValues } from '../../convert/transfer/novelty.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { Samples } from '../features/feature-set.ts';
import { stratifiedFolds } from '../head/cross-validation.ts';
import { fitMahalanobis, mahalanobisDistances } from './mahalanobis.ts';
import { rowsWhere, takeRows } from './rows.ts';
import { ACCEPTED, acceptingThreshold } from './separation.ts';

/** A detector without the number of layers above the features, which is up to the model. */
export type FittedDetector = Omit<NoveltyValues, 'layers'>;

/** Folds for the threshold: detectors of nine tenths of the images are nearly that of all. */
const FOLDS = 10;
/** Stream of the seed that draws the folds. */
const FOLDING = 15;
/** With real negatives, at least this share of the images of the classes is accepted. */
const LEAST_ACCEPTED = 0.9;

/**
 * Fits a detector of images that show none of the classes. Its threshold accepts 95 % of the images, each judged by a
 * detector that was fitted without it. With images of other things, it is the threshold with the largest difference
 * between the shares of accepted images and of accepted others (Youden 1950) that accepts at least 90 %.
 *
 * @param samples features of labelled images at the last layer of the backbone
 * @param others features of images that show none of the classes, `[n, dimension]`; may be empty
 */
export function fitDetector(tf: TensorFlow, samples: Samples, others: Float32Array, seed: number): FittedDetector {
  const detector = fitMahalanobis(tf, samples, seed);
  const known = unseenDistances(tf, samples, seed);
  const unknown = mahalanobisDistances(tf, detector, others);
  const threshold = unknown.length === 0 ? acceptingThreshold(known) : separatingThreshold(known, unknown);
  // Distances are squares, and zero only where no feature varies.
  return { ...detector, threshold: Math.max(threshold, Number.EPSILON) };
}

/** Fits a detector on `samples`, whose threshold accepts 95 % of the images with the features `held`, at least one. */
export function fitDetectorOn(tf: TensorFlow, samples: Samples, held: Float32Array, seed: number): FittedDetector {
  const detector = fitMahalanobis(tf, samples, seed);
  const threshold = acceptingThreshold(mahalanobisDistances(tf, detector, held));
  return { ...detector, threshold: Math.max(threshold, Number.EPSILON) };
}

/** The novelty of images, as the network computes it: above 1 for those that show none of the classes. */
export function noveltyScores(tf: TensorFlow, detector: FittedDetector, features: Float32Array): Float32Array {
  return mahalanobisDistances(tf, detector, features).map((distance) => distance / detector.threshold);
}

/** The distance of each image by a detector that was fitted without the image's fold. */
function unseenDistances(tf: TensorFlow, { features, labels }: Samples, seed: number): Float32Array {
  const dimension = features.length / labels.length;
  const folds = stratifiedFolds(labels, Math.min(FOLDS, labels.length), seededRandom(seed, FOLDING));
  const distances = new Float32Array(labels.length);
  const of = (rows: Int32Array) => takeRows(features, dimension, rows);
  for (let fold = 0; fold < Math.min(FOLDS, labels.length); fold++) {
    const rest = rowsWhere(folds, (own) => own !== fold);
    const held = rowsWhere(folds, (own) => own === fold);
    if (rest.length === 0) continue;
    const detector = fitMahalanobis(tf, { features: of(rest), labels: rest.map((row) => labels[row] ?? 0) }, seed);
    const found = mahalanobisDistances(tf, detector, of(held));
    held.forEach((row, index) => {
      distances[row] = found[index] ?? 0;
    });
  }
  return distances;
}

function separatingThreshold(known: Float32Array, unknown: Float32Array): number {
  const sorted = known.slice().sort();
  const others = unknown.slice().sort();
  let best = { threshold: acceptingThreshold(known), gain: Number.NEGATIVE_INFINITY };
  let accepted = 0;
  for (const [index, threshold] of sorted.entries()) {
    const share = (index + 1) / sorted.length;
    while (accepted < others.length && (others[accepted] ?? 0) <= threshold) accepted += 1;
    // Of equally good thresholds the one that accepts more, but none beyond those that are asked for.
    const gain = Math.min(share, ACCEPTED) - accepted / others.length;
    if (share >= LEAST_ACCEPTED && gain > best.gain) best = { threshold, gain };
  }
  return best.threshold;
}
