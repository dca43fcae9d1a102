/** How a candidate did on one rung. */
export interface RungScore {
  /** Cross-validated accuracy, 0..1. */
  readonly accuracy: number;
  /** Standard deviation of the accuracy over the folds. */
  readonly spread: number;
  /** Whether the prediction for each image of the rung is right. */
  readonly right: readonly boolean[];
}

/** A candidate that was evaluated on a rung. */
export interface RungTrial<C> extends RungScore {
  readonly candidate: C;
  /** From 0. */
  readonly rung: number;
}

/** Input of `successiveHalving`. */
export interface HalvingInput<C> {
  /** In the order in which they are tried; ties go to the earlier one. */
  readonly candidates: readonly C[];
  /** Number of rungs, each with more images than the one before; the last has all. */
  readonly rungs: number;
  /** The candidate that reaches every rung that another one reaches, so that the two are compared. */
  readonly referenceOf: (candidate: C) => C;
  /** Evaluates a candidate; undefined when there is no time for it. */
  readonly evaluate: (candidate: C, rung: number) => Promise<RungScore | undefined>;
  /** Called after each trial, with the number of trials that all rungs have if none is left out. */
  readonly onTrial: (trial: RungTrial<C>, done: number, total: number) => void;
}

/** Of the candidates of a rung, one in so many reaches the next. */
export const REDUCTION = 3;

/**
 * Successive halving (Jamieson & Talwalkar 2016), with the number of images as the resource (Li et al. 2018): all
 * candidates are evaluated on few images, the better third on three times as many, and so on. It ends early when there
 * is no time for a candidate; those that were evaluated on the highest rung count.
 *
 * @returns all trials, in the order in which they were made
 */
export async function successiveHalving<C>(input: HalvingInput<C>): Promise<RungTrial<C>[]> {
  const { candidates, rungs, referenceOf, evaluate, onTrial } = input;
  const trials: RungTrial<C>[] = [];
  const total = trialsOf(candidates.length, rungs);
  let alive: readonly C[] = candidates;
  for (let rung = 0; rung < rungs; rung++) {
    const made: RungTrial<C>[] = [];
    for (const candidate of alive) {
      const score = await evaluate(candidate, rung);
      if (score === undefined) continue;
      const trial = { candidate, rung, ...score };
      made.push(trial);
      trials.push(trial);
      onTrial(trial, trials.length, Math.max(total, trials.length));
    }
    const best = made.toSorted((a, b) => b.accuracy - a.accuracy).map(({ candidate }) => candidate);
    const kept = new Set(best.slice(0, survivors(alive.length)));
    for (const candidate of [...kept, ...candidates.slice(0, 1)]) kept.add(referenceOf(candidate));
    // The best first: they have the time if it does not suffice for all.
    alive = [...kept];
  }
  return trials;
}

function survivors(count: number): number {
  return Math.max(2, Math.ceil(count / REDUCTION));
}

/** Trials of all rungs, about: references may be more. */
function trialsOf(candidates: number, rungs: number): number {
  let total = 0;
  for (let rung = 0, count = candidates; rung < rungs; rung++, count = survivors(count))
    total += Math.min(count, candidates);
  return total;
}
