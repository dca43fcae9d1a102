/** How well scores separate known images from unknown ones. */
export interface Separation {
  /** Area under the ROC curve: the chance that an unknown image has the higher score than a known one, 0..1. */
  readonly auroc: number;
  /** Share of the unknown images that are accepted when 95 % of the known ones are. */
  readonly falsePositives: number;
}

/** The share of known images that is accepted where methods are compared, and that a threshold should accept. */
export const ACCEPTED = 0.95;

/**
 * Compares scores, which are higher for unknown images. Equal scores count half (Mann & Whitney 1947). Both lists must
 * have at least one.
 */
export function separationOf(known: Float32Array, unknown: Float32Array): Separation {
  const sorted = known.slice().sort();
  let wins = 0;
  for (const score of unknown) wins += (firstAbove(sorted, score, false) + firstAbove(sorted, score, true)) / 2;
  const threshold = acceptingThreshold(known);
  const accepted = unknown.reduce((sum, score) => sum + (score <= threshold ? 1 : 0), 0);
  return { auroc: wins / (known.length * unknown.length), falsePositives: accepted / unknown.length };
}

/** The lowest score up to which at least 95 % of the known images are. */
export function acceptingThreshold(known: Float32Array): number {
  const sorted = known.slice().sort();
  return sorted[Math.max(0, Math.ceil(ACCEPTED * sorted.length) - 1)] ?? 0;
}

/** Number of scores below `score`, or up to it if `orEqual`. */
function firstAbove(sorted: Float32Array, score: number, orEqual: boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const value = sorted[middle] ?? 0;
    if (value < score || (orEqual && value === score)) low = middle + 1;
    else high = middle;
  }
  return low;
}
