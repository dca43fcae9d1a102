import { seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { Samples } from '../features/feature-set.ts';
import { type Gram, gramOf } from './gram.ts';
import { fitOnGram } from './gram-detector.ts';
import { fitRidgeHeads } from './ridge-heads.ts';
import { joinRows, rowsWhere, takeRows } from './rows.ts';
import {
  logitScores,
  type MethodScores,
  type MethodSeparations,
  NOVELTY_METHODS,
  type NoveltyMethod,
} from './scores.ts';
import { type Separation, separationOf } from './separation.ts';

/** How well each method tells images of a class that it was not trained on; means over the classes. */
export interface LeaveClassOut {
  /** Classes that were left out, one at a time. */
  readonly classes: number;
  /** Without `softmax` and `energy` for two classes: a head of the one that is left has nothing to say. */
  readonly methods: MethodSeparations;
}

/** Classes that are left out: more change the mean little. */
const MAX_CLASSES = 8;
/** Training images: the time grows with the cube of their number. */
const MAX_TRAINED = 600;
/** Held-out images. */
const MAX_HELD = 600;
/** Streams of the seed that draw the classes and the images. */
const CHOOSING = 13;
const SAMPLING = 14;

/**
 * Solves for heads and fits detectors without one class, and has them tell its images from held-out images of the
 * others. No image from elsewhere is needed. The heads are linear on the features of the detector.
 * @param train features of the last layer of the backbone
 * @returns undefined when no image was held out, or only one class would be left with images
 */
export function leaveClassesOut(
  tf: TensorFlow,
  train: Samples,
  held: Samples,
  classes: number,
  seed: number,
): LeaveClassOut | undefined {
  const dimension = train.features.length / train.labels.length;
  const fitted = sampled(train, MAX_TRAINED, seed);
  const all = joinRows(fitted, sampled(held, MAX_HELD, seed));
  const { labels } = all;
  const first = fitted.labels.length;
  const rows = (accept: (label: number, row: number) => boolean) => rowsWhere(labels, accept);
  const trained = rows((_, row) => row < first);
  const gram = gramOf(tf, all.features, dimension);
  const { directions } = fitOnGram(tf, gram, trained, labels, seed);
  const heads = classes > 2 ? fitRidgeHeads(gram, trained, labels, classes) : undefined;
  const sums = new Map<NoveltyMethod, Separation[]>();
  const order = seededRandom(seed, CHOOSING).shuffle(Int32Array.from({ length: classes }, (_, label) => label));
  let count = 0;
  for (const left of order) {
    if (count === MAX_CLASSES) break;
    const known = rows((label, row) => row >= first && label !== left);
    const unknown = rows((label, row) => row >= first && label === left);
    const rest = rows((label, row) => row < first && label !== left);
    if (known.length === 0 || unknown.length === 0 || rest.length === 0) continue;
    count += 1;
    const detector = fitOnGram(tf, gram, rest, labels, seed, directions);
    const score = (images: Int32Array): MethodScores => ({
      ...(heads && logitScores(heads.without(left, images), classes - 1)),
      nearest_neighbour: nearestDistances(gram, rest, images),
      mahalanobis: Float32Array.from(detector.distances(images)),
    });
    const [inside, outside] = [score(known), score(unknown)];
    for (const method of NOVELTY_METHODS) {
      const [a, b] = [inside[method], outside[method]];
      if (a === undefined || b === undefined) continue;
      sums.set(method, [...(sums.get(method) ?? []), separationOf(a, b)]);
    }
  }
  if (count === 0) return undefined;
  return { classes: count, methods: Object.fromEntries([...sums].map(([method, each]) => [method, meanOf(each)])) };
}

/** The squared distance of each image to the nearest of `train`, divided by the dimension. */
function nearestDistances({ size, dimension, products }: Gram, train: Int32Array, images: Int32Array): Float32Array {
  return Float32Array.from(images, (image) => {
    const most = train.reduce(
      (best, other) => Math.max(best, products[image * size + other] ?? 0),
      Number.NEGATIVE_INFINITY,
    );
    return 2 * (1 - most / dimension);
  });
}

function sampled(samples: Samples, most: number, seed: number): Samples {
  const { features, labels } = samples;
  if (labels.length <= most) return samples;
  const rows = seededRandom(seed, SAMPLING).shuffle(Int32Array.from(labels.keys())).slice(0, most);
  const dimension = features.length / labels.length;
  return { features: takeRows(features, dimension, rows), labels: rows.map((row) => labels[row] ?? 0) };
}

function meanOf(separations: readonly Separation[]): Separation {
  const mean = (of: (each: Separation) => number) =>
    separations.reduce((sum, each) => sum + of(each), 0) / separations.length;
  return { auroc: mean(({ auroc }) => auroc), falsePositives: mean(({ falsePositives }) => falsePositives) };
}
