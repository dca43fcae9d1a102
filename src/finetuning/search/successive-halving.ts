/** How a candidate did on one rung. */
export interface RungScore {
  /** Accuracy for images that were left out, 0..1. */
  readonly accuracy: number;
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
export interface HalvingInput<A, T> {
  /** The first is the default, which reaches every rung. They are tried in this order. */
  readonly arms: readonly A[];
  /** Number of rungs, each of which spends more on an arm than the one before. */
  readonly rungs: number;
  /** Evaluates the candidates of an arm. Undefined when there is no time for any, which ends the rung. */
  readonly evaluate: (arm: A, rung: number) => Promise<readonly T[] | undefined>;
}

/** Of the arms of a rung, one in so many reaches the next. */
const REDUCTION = 3;
/** The fewest arms that reach the next rung, beside the default. */
const FEWEST = 2;

/**
 * Successive halving (Jamieson & Talwalkar 2016): all arms are evaluated at little expense, the better third at more, and
 * so on. An arm is as good as its best candidate. The best arm is the first on the next rung, and the default the second:
 * they have the time if it does not suffice for all. A rung for whose first arm it does not suffice is the last.
 *
 * @returns all trials, in the order in which they were made
 */
export async function successiveHalving<A, T extends RungScore>(input: HalvingInput<A, T>): Promise<T[]> {
  const { arms, rungs, evaluate } = input;
  const trials: T[] = [];
  let alive = arms;
  for (let rung = 0; rung < rungs && alive.length > 0; rung++) {
    const scores = new Map<A, number>();
    for (const arm of alive) {
      const made = await evaluate(arm, rung);
      if (made === undefined) break;
      trials.push(...made);
      scores.set(arm, Math.max(...made.map(({ accuracy }) => accuracy)));
    }
    alive = survivors(scores, arms[0], Math.max(FEWEST, Math.ceil(alive.length / REDUCTION)));
  }
  return trials;
}

/** The best arms and the default, the best first and the default second. Ties go to the earlier arm. */
function survivors<A>(scores: ReadonlyMap<A, number>, first: A | undefined, count: number): A[] {
  const best = [...scores].toSorted(([, a], [, b]) => b - a).map(([arm]) => arm);
  const kept = best.slice(0, count);
  const reference = best.filter((arm) => arm === first);
  return [...new Set([...kept.slice(0, 1), ...reference, ...kept])];
}
