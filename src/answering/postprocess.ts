/** A class and how probable it is. */
export interface Ranked {
  readonly index: number;
  /** In 0..1. */
  readonly score: number;
}

/** Probabilities of logits divided by `temperature`; the largest is subtracted first, so none overflows. */
export function softmax(logits: Float32Array, temperature = 1): Float32Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) largest = Math.max(largest, logit);
  const scores = logits.map((logit) => Math.exp((logit - largest) / temperature));
  const total = scores.reduce((sum, score) => sum + score, 0);
  return scores.map((score) => score / total);
}

/**
 * The `k` most probable classes, best first; of equals the lower index first. Those under `threshold` are left out,
 * so there may be fewer, or none. One pass: only the best `k` are ever kept in order.
 */
export function topK(probabilities: Float32Array, k: number, threshold = 0): Ranked[] {
  const best: Ranked[] = [];
  // By index: an iterator would make an object for each of a thousand classes.
  for (let index = 0; index < probabilities.length; index++) {
    const score = probabilities[index] ?? 0;
    const worst = best[k - 1];
    // Not a number compares as false and is left out.
    if (!(score >= threshold) || (worst !== undefined && score <= worst.score)) continue;
    let place = Math.min(best.length, k - 1);
    for (let above = best[place - 1]; above !== undefined && above.score < score; above = best[place - 1]) place -= 1;
    best.splice(place, 0, { index, score });
    if (best.length > k) best.pop();
  }
  return best;
}
