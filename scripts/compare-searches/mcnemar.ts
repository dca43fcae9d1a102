/** Two ways of answering the same images. */
export interface Comparison {
  /** Images that only the first has right. */
  readonly won: number;
  /** Images that only the second has right. */
  readonly lost: number;
  /** Probability of a difference at least as large by chance, two-sided. */
  readonly p: number;
}

/** McNemar's exact test (1947): the binomial test of the images that one way has right and the other wrong. */
export function mcNemar(first: readonly boolean[], second: readonly boolean[]): Comparison {
  const won = first.filter((value, i) => value && !second[i]).length;
  const lost = second.filter((value, i) => value && !first[i]).length;
  const count = won + lost;
  let term = 0.5 ** count;
  let tail = 0;
  for (let k = 0; k <= Math.min(won, lost); k++) {
    tail += term;
    term *= (count - k) / (k + 1);
  }
  return { won, lost, p: Math.min(1, 2 * tail) };
}
