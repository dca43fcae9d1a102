import { ACCEPTED } from './separation.ts';

/**
 * 95 % quantiles of Student's distribution, by the degrees of freedom from 1. With more images than these are for, the
 * images themselves have a quantile.
 */
const STUDENT = [
  6.314, 2.92, 2.353, 2.132, 2.015, 1.943, 1.895, 1.86, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.74,
];
/** With fewer images, the largest distance is exceeded by more than 5 % of new ones. */
export const LEAST_IMAGES = STUDENT.length + 2;
/** Accepts every image. */
const NONE = 1e30;

/**
 * The distance that 95 % of new images are expected not to exceed, given those of `n` images that the detector has not
 * seen. Of as many new images as one likes, the share `k / (n + 1)` is expected up to the `k`-th smallest distance,
 * whatever their distribution (Wilks 1941); in between it is interpolated. With fewer than 19 images no distance is
 * large enough: it is then the limit of prediction of a normal distribution of their logarithms, by Student's
 * quantile, but not below the largest. Of one image nothing is known, and all are accepted.
 *
 * @param least distances below it are not told apart
 */
export function newImageThreshold(distances: Float32Array, least: number): number {
  const sorted = distances.map((distance) => Math.max(distance, least)).sort();
  const count = sorted.length;
  const largest = sorted[count - 1] ?? NONE;
  if (count < 2) return NONE;
  const student = STUDENT[count - 2];
  if (student !== undefined) return Math.max(largest, predictionLimit(sorted, student));
  const place = ACCEPTED * (count + 1);
  const below = Math.floor(place);
  const [low = largest, high = largest] = sorted.subarray(below - 1, below + 1);
  return low + (place - below) * (high - low);
}

function predictionLimit(distances: Float32Array, quantile: number): number {
  const count = distances.length;
  const logarithms = Array.from(distances, Math.log);
  const mean = logarithms.reduce((sum, value) => sum + value, 0) / count;
  const variance = logarithms.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return Math.exp(mean + quantile * Math.sqrt(variance * (1 + 1 / count)));
}
