import { type Preference, paretoFront, preferred } from './pareto-front.ts';
import type { SearchCandidate } from './space.ts';
import type { RungTrial } from './successive-halving.ts';

/** One-sided 5 % of the normal distribution. */
const SIGNIFICANT = 1.645;

/**
 * The front of the highest rung, and the trial that the preference takes. A candidate counts only if it is better than
 * the first of its own backbone, the default, by more than chance: with so many comparisons, luck would choose otherwise.
 */
export function chooseTrial<T extends RungTrial<SearchCandidate>>(
  trials: readonly T[],
  latencyOf: (candidate: SearchCandidate) => number,
  preference: Preference,
): { readonly front: readonly T[]; readonly chosen: T } {
  const highest = Math.max(...trials.map(({ rung }) => rung));
  const finalists = trials.filter(({ rung }) => rung === highest);
  const counted = finalists.filter((trial) => {
    const usual = finalists.find(({ candidate }) => candidate.backbone === trial.candidate.backbone);
    return usual === undefined || usual === trial || isBetter(trial.right, usual.right);
  });
  const weighed = counted.map((trial) => ({ trial, accuracy: trial.accuracy, latency: latencyOf(trial.candidate) }));
  const front = paretoFront(weighed);
  return { front: front.map(({ trial }) => trial), chosen: preferred(front, preference).trial };
}

/** McNemar's test (1947), one-sided, with continuity correction. */
function isBetter(right: readonly boolean[], other: readonly boolean[]): boolean {
  const won = right.filter((value, i) => value && !other[i]).length;
  const lost = right.filter((value, i) => !value && other[i]).length;
  return won - lost - 1 > SIGNIFICANT * Math.sqrt(won + lost);
}
