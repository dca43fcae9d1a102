import type { Random } from './random.ts';

/**
 * Gives each sample a fold in 0..folds-1: every class is spread evenly over the folds, in random order. A class's
 * surplus goes to the folds that hold the fewest samples so far, so that the folds are of one size too.
 */
export function stratifiedFolds(labels: Int32Array, folds: number, random: Random): Int32Array {
  const members = new Map<number, number[]>();
  labels.forEach((label, index) => {
    const indices = members.get(label);
    if (indices === undefined) members.set(label, [index]);
    else indices.push(index);
  });
  const result = new Int32Array(labels.length);
  let next = 0;
  for (const [, indices] of [...members].sort(([a], [b]) => a - b)) {
    for (const index of random.shuffle(indices)) {
      result[index] = next;
      next = (next + 1) % folds;
    }
  }
  return result;
}
