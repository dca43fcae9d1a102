import { type TensorFlow, valuesOf } from '../../runtime/tensorflow.ts';
import type { Samples } from '../features/feature-set.ts';
import { softmaxRows } from '../head/softmax.ts';
import { layerNormalized } from './layer-normalization.ts';
import { fitMahalanobis, type MahalanobisDetector, mahalanobisDistances } from './mahalanobis.ts';
import type { Separation } from './separation.ts';

/**
 * The methods that are compared; `mahalanobis` is the one that models have. `softmax`: one minus the highest
 * probability (Hendrycks & Gimpel 2017). `energy`: the negative log of the summed exponents of the logits (Liu et al.
 * 2020). `nearest_neighbour`: the distance to the nearest training image (Sun et al. 2022).
 */
export const NOVELTY_METHODS = ['softmax', 'energy', 'nearest_neighbour', 'mahalanobis'] as const;
export type NoveltyMethod = (typeof NOVELTY_METHODS)[number];

/** `[n]` for each method: higher for images that are less like the training images. */
export type MethodScores = Readonly<Partial<Record<NoveltyMethod, Float32Array>>>;

/** How well each method separates known images from unknown ones. */
export type MethodSeparations = Readonly<Partial<Record<NoveltyMethod, Separation>>>;

/** Input of `methodScores`. */
export interface ScoresInput {
  /** Features of the training images at the last layer of the backbone. */
  readonly train: Samples;
  /** Of the images to score, `[n, dimension]`. */
  readonly features: Float32Array;
  /** Of the same images, `[n, classes]`; without them, `softmax` and `energy` are left out. */
  readonly logits: Float32Array | undefined;
  readonly classes: number;
  readonly seed: number;
  /** Fitted on `train` when absent. */
  readonly detector?: MahalanobisDetector;
}

/** Scores images with every method. */
export function methodScores(tf: TensorFlow, input: ScoresInput): MethodScores {
  const { train, features, logits, classes, seed, detector = fitMahalanobis(tf, train, seed) } = input;
  return {
    ...(logits && logitScores(logits, classes)),
    nearest_neighbour: nearestDistances(tf, train, features),
    mahalanobis: mahalanobisDistances(tf, detector, features),
  };
}

/** Scores images by their logits `[n, classes]`. */
export function logitScores(logits: Float32Array, classes: number): MethodScores {
  return { softmax: softmaxScores(softmaxRows(logits, classes), classes), energy: energyScores(logits, classes) };
}

/** One minus the highest probability of each row of `[n, classes]`. */
function softmaxScores(probabilities: Float32Array, classes: number): Float32Array {
  return rowsOf(probabilities, classes, (row) => 1 - Math.max(...row));
}

function energyScores(logits: Float32Array, classes: number): Float32Array {
  return rowsOf(logits, classes, (row) => {
    const most = Math.max(...row);
    return -(most + Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0)));
  });
}

function rowsOf(values: Float32Array, width: number, score: (row: Float32Array) => number): Float32Array {
  return Float32Array.from({ length: values.length / width }, (_, row) =>
    score(values.subarray(row * width, (row + 1) * width)),
  );
}

/** Training images that are compared at once, to bound the memory. */
const CHUNK_ROWS = 512;

/** The squared distance of each row to the nearest of `train`, both layer-normalised, divided by the dimension. */
function nearestDistances(tf: TensorFlow, train: Samples, features: Float32Array): Float32Array {
  const dimension = train.features.length / train.labels.length;
  const count = features.length / dimension;
  const best = new Float32Array(count).fill(Number.NEGATIVE_INFINITY);
  if (count === 0) return best;
  const queries = tf.tidy(() => tf.transpose(tf.tensor2d(layerNormalized(features, dimension), [count, dimension])));
  for (let start = 0; start < train.labels.length; start += CHUNK_ROWS) {
    const rows = Math.min(CHUNK_ROWS, train.labels.length - start);
    const chunk = layerNormalized(train.features.subarray(start * dimension, (start + rows) * dimension), dimension);
    const nearest = valuesOf(tf, () => tf.max(tf.matMul(tf.tensor2d(chunk, [rows, dimension]), queries), 0));
    nearest.forEach((similarity, row) => {
      best[row] = Math.max(best[row] ?? 0, similarity);
    });
  }
  tf.dispose(queries);
  return best.map((similarity) => 2 * (1 - similarity / dimension));
}
