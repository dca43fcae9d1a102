/** A class by its index, and its probability. */
export interface RankedClass {
  readonly index: number;
  /** In 0..1. */
  readonly score: number;
}

/** Classes up to which insertion is faster than sorting. */
const MAX_INSERTED = 32;

/**
 * The `k` most probable classes, most probable first; among equals, the lower index first. Classes below `threshold`
 * are left out, so there may be fewer than `k`, or none. A few are kept in order in one pass. Many are sorted: to
 * insert each of 21,841 classes takes twelve seconds.
 * @param probabilities finite: the batcher lets nothing else through
 */
export function topK(probabilities: Float32Array, k: number, threshold = 0): RankedClass[] {
  if (k > MAX_INSERTED) return sorted(probabilities, threshold).slice(0, k);
  const best: RankedClass[] = [];
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

function sorted(probabilities: Float32Array, threshold: number): RankedClass[] {
  return Array.from(probabilities, (score, index) => ({ index, score }))
    .filter(({ score }) => score >= threshold)
    .sort((a, b) => b.score - a.score || a.index - b.index);
}
