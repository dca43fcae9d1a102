import type { NoveltyValues } from '../../convert/transfer/novelty.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { Samples } from '../features/feature-set.ts';
import { fitMahalanobis, mahalanobisDistances } from './mahalanobis.ts';
import { newImageThreshold } from './new-image-threshold.ts';
import { ACCEPTED } from './separation.ts';
import { unseenDistances } from './unseen-distances.ts';

/** A detector without the number of layers above the features, which is up to the model. */
export interface FittedDetector extends Omit<NoveltyValues, 'layers'> {
  /** Images of the classes that the threshold was chosen on; with fewer than 19 the share that it accepts is a guess. */
  readonly judged: number;
}

/** With real negatives, at least this share of new images of the classes is expected to be accepted. */
const LEAST_ACCEPTED = 0.9;

/**
 * Fits a detector of images that show none of the classes. Its threshold is expected to accept 95 % of new images: it
 * is chosen on the images, each judged by a detector that was fitted without it. With images of other things, it is the
 * threshold with the largest difference between the shares of accepted images and of accepted others (Youden 1950) that
 * accepts at least 90 %.
 *
 * @param samples features of labelled images at the last layer of the backbone
 * @param others features of images that show none of the classes, `[n, dimension]`; may be empty
 */
export function fitDetector(tf: TensorFlow, samples: Samples, others: Float32Array, seed: number): FittedDetector {
  const { least, ...detector } = fitMahalanobis(tf, samples, seed);
  const known = unseenDistances(tf, samples, seed);
  const unknown = mahalanobisDistances(tf, detector, others);
  const accepting = newImageThreshold(known, least);
  const threshold = unknown.length === 0 ? accepting : separatingThreshold(known, unknown, accepting);
  return { ...detector, threshold: Math.max(threshold, least), judged: known.length };
}

/** Fits a detector on `samples`, whose threshold is chosen on the images with the features `held`, at least one. */
export function fitDetectorOn(tf: TensorFlow, samples: Samples, held: Float32Array, seed: number): FittedDetector {
  const { least, ...detector } = fitMahalanobis(tf, samples, seed);
  const known = mahalanobisDistances(tf, detector, held);
  return { ...detector, threshold: newImageThreshold(known, least), judged: known.length };
}

/** The novelty of images, as the network computes it: above 1 for those that show none of the classes. */
export function noveltyScores(tf: TensorFlow, detector: FittedDetector, features: Float32Array): Float32Array {
  return mahalanobisDistances(tf, detector, features).map((distance) => distance / detector.threshold);
}

/** @param accepting the threshold that accepts 95 % of the known */
function separatingThreshold(known: Float32Array, unknown: Float32Array, accepting: number): number {
  const sorted = known.slice().sort();
  const others = unknown.slice().sort();
  const acceptedUpTo = (threshold: number) => others.filter((score) => score <= threshold).length / others.length;
  let best = { threshold: accepting, gain: ACCEPTED - acceptedUpTo(accepting) };
  for (const [index, threshold] of sorted.entries()) {
    // As many of new images are expected up to it.
    const share = (index + 1) / (sorted.length + 1);
    if (share < LEAST_ACCEPTED || share > ACCEPTED) continue;
    // Of equally good thresholds the one that accepts more.
    const gain = share - acceptedUpTo(threshold);
    if (gain > best.gain) best = { threshold, gain };
  }
  return best.threshold;
}
