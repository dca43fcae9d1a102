/** What decides between trials. */
export interface Weighed {
  /** 0..1 */
  readonly accuracy: number;
  /** Milliseconds for one image. */
  readonly latency: number;
}

/** Which trial of the front is taken. */
export const PREFERENCES = ['accuracy', 'balanced', 'speed'] as const;
export type Preference = (typeof PREFERENCES)[number];

/** What `balanced` gives up at most, in accuracy. */
const BALANCED_LOSS = 0.02;

/** The trials that no other one beats in accuracy without being slower, the fastest first. */
export function paretoFront<T extends Weighed>(trials: readonly T[]): T[] {
  const byLatency = trials.toSorted((a, b) => a.latency - b.latency || b.accuracy - a.accuracy);
  const front: T[] = [];
  for (const trial of byLatency) {
    const best = front.at(-1);
    if (best === undefined || trial.accuracy > best.accuracy) front.push(trial);
  }
  return front;
}

/**
 * Takes a trial of the front: with `accuracy` the most accurate one, with `speed` the fastest one, with `balanced` the
 * fastest one that is at most two points less accurate than the most accurate one.
 * @param front as `paretoFront` returns it, not empty
 */
export function preferred<T extends Weighed>(front: readonly T[], preference: Preference): T {
  const best = front.at(-1);
  if (best === undefined) throw new Error('the front is empty');
  const enough = preference === 'balanced' ? best.accuracy - BALANCED_LOSS : best.accuracy;
  if (preference === 'speed') return front[0] ?? best;
  return front.find(({ accuracy }) => accuracy >= enough) ?? best;
}
