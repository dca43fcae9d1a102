import { type Random, seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { Samples } from '../features/feature-set.ts';
import { computeLogits } from './dense-layers.ts';
import { fitPowerLaw, type PowerLaw } from './power-law.ts';
import { fitRidge } from './ridge-regression.ts';
import { argmaxRows, countCorrect } from './softmax.ts';

/** The accuracy for unseen images with so many training images. */
export interface CurvePoint {
  /** Training images of all classes together. */
  readonly images: number;
  /** Mean over the subsets, 0..1. */
  readonly accuracy: number;
  /** Standard error of the accuracy. */
  readonly error: number;
}

/** What more images would bring. */
export interface Forecast {
  readonly images: number;
  readonly accuracy: number;
  /** 90 % of the curves through what the points may be. */
  readonly interval: { readonly low: number; readonly high: number };
}

/** How the accuracy grows with the number of training images. */
export interface LearningCurve {
  /** By ascending number of images; the last is that of all images. */
  readonly points: readonly CurvePoint[];
  /** For twice and four times the images; empty when the points do not say. */
  readonly forecasts: readonly Forecast[];
}

/** Input of `measureLearningCurve`. */
export interface LearningCurveInput {
  /** Training and validation images, without copies. */
  readonly images: Samples;
  readonly classes: number;
  /** Penalty of the ridge regression that suits all images. */
  readonly penalty: number;
  readonly seed: number;
}

/** Shares of the images, and the subsets of each that are drawn: small ones differ more. */
const SUBSETS = [
  { share: 1 / 8, repeats: 8 },
  { share: 1 / 4, repeats: 6 },
  { share: 1 / 2, repeats: 4 },
  { share: 3 / 4, repeats: 4 },
] as const;
/** Smaller subsets do not show how the curve goes on. */
const MIN_PER_CLASS = 2;
const MIN_POINTS = 4;
const FACTORS = [2, 4];
const BOOTSTRAPS = 200;
/** A wider interval says nothing that would help. */
const MAX_WIDTH = 0.15;
/** Stream of the seed. */
const DRAWING = 12;

/**
 * Measures the accuracy on random subsets of the images, tested on the images that are not in them, and for all images
 * by leaving each out; then extrapolates by an inverse power law (Cortes et al. 1994; Figueroa et al. 2012). Nothing is
 * forecast from fewer than four points, where the law's interval is wider than 15 points of accuracy, or where it does
 * not exclude that more images bring nothing.
 */
export function measureLearningCurve(tf: TensorFlow, input: LearningCurveInput): LearningCurve {
  const { images, classes, penalty, seed } = input;
  const count = images.labels.length;
  const random = seededRandom(seed, DRAWING);
  const points: CurvePoint[] = [];
  for (const { share, repeats } of SUBSETS) {
    const perClass = Math.round((share * count) / classes);
    if (perClass < MIN_PER_CLASS) continue;
    const scores = Array.from({ length: repeats }, () => scoreSubset(tf, input, share, random));
    const accuracy = scores.reduce((sum, score) => sum + score.accuracy, 0) / repeats;
    const size = scores.reduce((sum, score) => sum + score.images, 0) / repeats;
    points.push({ images: Math.round(size), accuracy, error: standardError(accuracy, count) });
  }
  const [whole] = fitRidge(tf, asTraining(images), classes, [penalty]);
  if (whole === undefined) throw new Error('there must be a penalty');
  const accuracy = countCorrect(argmaxRows(whole.heldOut, classes), images.labels) / count;
  points.push({ images: count, accuracy, error: standardError(accuracy, count) });
  return { points, forecasts: forecast(points, seed) };
}

/** Forecasts for multiples of the last point's images; empty when the points do not allow it. */
export function forecast(points: readonly CurvePoint[], seed: number): Forecast[] {
  const last = points.at(-1);
  if (points.length < MIN_POINTS || last === undefined || last.accuracy === 1) return [];
  const random = seededRandom(seed, DRAWING);
  const law = fitPowerLaw(points);
  const drawn = Array.from({ length: BOOTSTRAPS }, () => fitPowerLaw(points.map((point) => jitter(point, random))));
  const forecasts = FACTORS.map((factor) => {
    const images = factor * last.images;
    const sorted = drawn.map((each) => accuracyAt(each, images)).sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.round(share * (BOOTSTRAPS - 1))] ?? 0;
    return { images, accuracy: accuracyAt(law, images), interval: { low: at(0.05), high: at(0.95) } };
  });
  return forecasts.filter(({ interval: { low, high } }) => high - low <= MAX_WIDTH && low > last.accuracy);
}

function accuracyAt({ scale, exponent, floor }: PowerLaw, images: number): number {
  return 1 - Math.min(1, floor + scale * images ** -exponent);
}

function jitter(point: CurvePoint, random: Random): CurvePoint {
  const accuracy = point.accuracy + point.error * random.normal();
  return { ...point, accuracy: Math.min(1 - 1e-4, Math.max(1e-4, accuracy)) };
}

/** Of an accuracy on so many images; not 0 when all are right. */
function standardError(accuracy: number, count: number): number {
  const share = (accuracy * count + 1) / (count + 2);
  return Math.sqrt((share * (1 - share)) / count);
}

/** Fits a head to a random subset with the same share of each class, and tests it on the other images. */
function scoreSubset(
  tf: TensorFlow,
  { images, classes, penalty }: LearningCurveInput,
  share: number,
  random: Random,
): { images: number; accuracy: number } {
  const chosen = new Set<number>();
  for (let label = 0; label < classes; label++) {
    const members = random.shuffle([...images.labels.keys()].filter((row) => images.labels[row] === label));
    for (const row of members.slice(0, Math.max(1, Math.round(share * members.length)))) chosen.add(row);
  }
  const inside = rowsOf(images, (row) => chosen.has(row));
  const outside = rowsOf(images, (row) => !chosen.has(row));
  const [head] = fitRidge(tf, asTraining(inside), classes, [penalty]);
  if (head === undefined) throw new Error('there must be a penalty');
  const predicted = argmaxRows(computeLogits(tf, [head.layer], outside.features), classes);
  return { images: inside.labels.length, accuracy: countCorrect(predicted, outside.labels) / outside.labels.length };
}

function asTraining({ features, labels }: Samples) {
  const set = { name: 'features', dimension: features.length / labels.length, originals: features };
  return { set, augmented: false, labels };
}

function rowsOf({ features, labels }: Samples, keep: (row: number) => boolean): Samples {
  const dimension = features.length / labels.length;
  const rows = [...labels.keys()].filter(keep);
  const taken = new Float32Array(rows.length * dimension);
  for (const [i, row] of rows.entries()) {
    taken.set(features.subarray(row * dimension, (row + 1) * dimension), i * dimension);
  }
  return { features: taken, labels: Int32Array.from(rows, (row) => labels[row] ?? 0) };
}
