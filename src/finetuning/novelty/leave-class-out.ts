import { seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { type DatasetFeatures, lastLayers } from '../features/dataset-features.ts';
import type { Samples } from '../features/feature-set.ts';
import { computeLogits } from '../head/dense-layers.ts';
import type { Hyperparameters } from '../head/hyperparameters.ts';
import { trainLayers } from '../head/training-loop.ts';
import { joinRows, rowsWhere, takeRows } from './rows.ts';
import {
  type MethodScores,
  type MethodSeparations,
  methodScores,
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

/** Classes that are left out: each needs another head. */
const MAX_CLASSES = 8;
/** Training images of a head, whose training takes most of the time. */
const MAX_TRAINED = 1500;
/** Streams of the seed that draw the classes and the images. */
const CHOOSING = 13;
const SAMPLING = 14;

/**
 * Trains heads and fits detectors without one class, and has them tell its images from held-out images of the others.
 * No image from elsewhere is needed.
 * @param features the layers that the head reads
 * @returns undefined when no image was held out, or only one class would be left with images
 */
export async function leaveClassesOut(
  tf: TensorFlow,
  features: DatasetFeatures,
  classes: number,
  hyperparameters: Hyperparameters,
): Promise<LeaveClassOut | undefined> {
  const { seed } = hyperparameters;
  const own = lastLayers(features, 1);
  const held = joinRows(features.validation, features.test);
  const ownHeld = joinRows(own.validation, own.test);
  const sums = new Map<NoveltyMethod, Separation[]>();
  const order = seededRandom(seed, CHOOSING).shuffle(Int32Array.from({ length: classes }, (_, label) => label));
  let count = 0;
  for (const left of order) {
    if (count === MAX_CLASSES) break;
    const known = rowsWhere(held.labels, (label) => label !== left);
    const unknown = rowsWhere(held.labels, (label) => label === left);
    if (known.length === 0 || unknown.length === 0) continue;
    count += 1;
    const rows = sampled(
      rowsWhere(features.train.labels, (label) => label !== left),
      seed,
    );
    // Classes above the one that is left out move down by one.
    const labels = rows.map((row) => {
      const label = features.train.labels[row] ?? 0;
      return label > left ? label - 1 : label;
    });
    const train: Samples = { features: takeRows(own.train.set.originals, own.train.set.dimension, rows), labels };
    const logits =
      classes > 2 ? await headLogits(tf, features, rows, labels, held, classes - 1, hyperparameters) : undefined;
    const scores = methodScores(tf, { train, features: ownHeld.features, logits, classes: classes - 1, seed });
    for (const method of NOVELTY_METHODS) {
      const found = scores[method];
      if (found === undefined) continue;
      const separation = separationOf(pick(found, known), pick(found, unknown));
      sums.set(method, [...(sums.get(method) ?? []), separation]);
    }
  }
  if (count === 0) return undefined;
  return { classes: count, methods: Object.fromEntries([...sums].map(([method, all]) => [method, meanOf(all)])) };
}

/** Logits of the held-out images by a head that was trained on some rows. */
async function headLogits(
  tf: TensorFlow,
  { train }: DatasetFeatures,
  rows: Int32Array,
  labels: Int32Array,
  held: Samples,
  classes: number,
  hyperparameters: Hyperparameters,
): Promise<Float32Array> {
  const { dimension, originals } = train.set;
  const samples = { features: takeRows(originals, dimension, rows), labels };
  const { layers } = await trainLayers(tf, { classes, train: samples }, hyperparameters);
  return computeLogits(tf, layers, held.features);
}

function sampled(rows: Int32Array, seed: number): Int32Array {
  return rows.length <= MAX_TRAINED ? rows : seededRandom(seed, SAMPLING).shuffle(rows).slice(0, MAX_TRAINED);
}

function pick(scores: NonNullable<MethodScores[NoveltyMethod]>, rows: Int32Array): Float32Array {
  return Float32Array.from(rows, (row) => scores[row] ?? 0);
}

function meanOf(separations: readonly Separation[]): Separation {
  const mean = (of: (each: Separation) => number) =>
    separations.reduce((sum, each) => sum + of(each), 0) / separations.length;
  return { auroc: mean(({ auroc }) => auroc), falsePositives: mean(({ falsePositives }) => falsePositives) };
}
