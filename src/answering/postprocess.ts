/** A class by its index, and its probability. */
export interface RankedClass {
  readonly index: number;
  /** In 0..1. */
  readonly score: number;
}

/**
 * The `k` most probable classes, most probable first; of equals the lower index first. Classes below `threshold` are
 * left out, so there may be fewer than `k`, or none. One pass, which keeps the best `k` in order.
 * @param probabilities finite: the batcher lets nothing else through
 */
export function topK(probabilities: Float32Array, k: number, threshold = 0): RankedClass[] {
  const best: RankedClass[] = [];
  // By index: an iterator would make an object for each of a thousand classes.
  // By index, since an iterator allocates an object for each of a thousand classes.
  for (let index = 0; index < probabilities.length; index++) {
    const score = probabilities[index] ?? 0;
    const worst = best[k - 1];
    if (score < threshold || (worst !== undefined && score <= worst.score)) continue;
    let place = Math.min(best.length, k - 1);
    for (let above = best[place - 1]; above !== undefined && above.score < score; above = best[place - 1]) place -= 1;
    best.splice(place, 0, { index, score });
    if (best.length > k) best.pop();
  }
  return best;
}
