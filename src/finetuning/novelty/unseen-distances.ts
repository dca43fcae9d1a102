import { seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { Samples } from '../features/feature-set.ts';
import { stratifiedFolds } from '../head/cross-validation.ts';
import { gramOf } from './gram.ts';
import { fitOnGram } from './gram-detector.ts';
import { fitMahalanobis, mahalanobisDistances } from './mahalanobis.ts';
import { rowsWhere, takeRows } from './rows.ts';

/** With at most so many images, each is left out alone. */
const ALONE = 60;
/** Folds of more images: detectors of nine tenths of the images are nearly that of all. */
const FOLDS = 10;
/** With more images, so many of them are held out once: they are enough for a threshold, and folds would take long. */
const MOST_FOLDED = 800;
const HELD_OUT = 400;
/** Stream of the seed that draws the folds. */
const FOLDING = 15;

/**
 * Squared distances as new images of the classes will have them: of images to detectors that were fitted without them.
 * The mean of `m` images is off by `1 / m` of their variance, so that a distance to a mean without the image is too
 * long by `(1 + 1 / (m - 1)) / (1 + 1 / m)`, and is corrected. An image that is alone in its class has no distance.
 */
export function unseenDistances(tf: TensorFlow, samples: Samples, seed: number): Float32Array {
  const { labels } = samples;
  const count = labels.length;
  const folds = stratifiedFolds(labels, foldsOf(count), seededRandom(seed, FOLDING));
  const distancesOf = count > MOST_FOLDED ? heldOutDistances(tf, samples, seed) : foldDistances(tf, samples, seed);
  const classSizes = countLabels(labels);
  const found: number[] = [];
  const last = count > MOST_FOLDED ? 1 : Math.max(...folds) + 1;
  for (let fold = 0; fold < last; fold++) {
    const held = rowsWhere(folds, (own) => own === fold);
    const rest = rowsWhere(folds, (own) => own !== fold);
    const left = countLabels(rest.map((row) => labels[row] ?? 0));
    const known = held.filter((row) => left.has(labels[row] ?? 0));
    if (known.length === 0) continue;
    const distances = distancesOf(rest, known);
    for (const [index, row] of known.entries()) {
      const label = labels[row] ?? 0;
      const correction = (1 + 1 / (classSizes.get(label) ?? 1)) / (1 + 1 / (left.get(label) ?? 1));
      found.push((distances[index] ?? 0) * correction);
    }
  }
  return Float32Array.from(found);
}

type DistancesOf = (rest: Int32Array, held: Int32Array) => ArrayLike<number>;

function foldsOf(count: number): number {
  if (count <= ALONE) return count;
  return count <= MOST_FOLDED ? FOLDS : Math.ceil(count / HELD_OUT);
}

function foldDistances(tf: TensorFlow, { features, labels }: Samples, seed: number): DistancesOf {
  const gram = gramOf(tf, features, features.length / labels.length);
  const { directions } = fitOnGram(tf, gram, Int32Array.from(labels.keys()), labels, seed);
  return (rest, held) => fitOnGram(tf, gram, rest, labels, seed, directions).distances(held);
}

function heldOutDistances(tf: TensorFlow, { features, labels }: Samples, seed: number): DistancesOf {
  const dimension = features.length / labels.length;
  return (rest, held) => {
    const train = { features: takeRows(features, dimension, rest), labels: rest.map((row) => labels[row] ?? 0) };
    return mahalanobisDistances(tf, fitMahalanobis(tf, train, seed), takeRows(features, dimension, held));
  };
}

function countLabels(labels: Int32Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}
