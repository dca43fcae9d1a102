/** What the work of a kind has cost so far. */
interface Cost {
  milliseconds: number;
  units: number;
  /** Milliseconds per unit of the last step. */
  last: number;
}

/**
 * The clock of a search: what is left of its time, and what a step will cost by the measured costs of the steps before.
 * Work has kinds, such as the features of one backbone, and units, such as images.
 */
export class SearchClock {
  readonly #deadline: number;
  readonly #now: () => number;
  readonly #costs = new Map<string, Cost>();
  readonly #guesses = new Map<string, number>();

  /**
   * @param deadline in milliseconds since 1970
   * @param now the time, in milliseconds since 1970
   */
  constructor(deadline: number, now: () => number = Date.now) {
    this.#deadline = deadline;
    this.#now = now;
  }

  /** Milliseconds that are left; below 0 after the deadline. */
  get left(): number {
    return this.#deadline - this.#now();
  }

  /** Gives the cost of a kind, in milliseconds per unit, as long as none is measured. */
  guess(kind: string, cost: number): void {
    this.#guesses.set(kind, cost);
  }

  /** Runs a step and measures it. `units` is asked for when the step has ended; a step of none is not counted. */
  async measure<T>(kind: string, units: () => number, step: () => Promise<T> | T): Promise<T> {
    const start = this.#now();
    const result = await step();
    this.note(kind, units(), this.#now() - start);
    return result;
  }

  /** Counts a step that took so many milliseconds; one of no units is not counted. */
  note(kind: string, units: number, milliseconds: number): void {
    if (units <= 0) return;
    const before = this.#costs.get(kind) ?? { milliseconds: 0, units: 0 };
    this.#costs.set(kind, {
      milliseconds: before.milliseconds + milliseconds,
      units: before.units + units,
      last: milliseconds / units,
    });
  }

  /**
   * Milliseconds that so many units will take: at the mean cost so far or the last one, whichever is higher, so that a
   * machine that gets busy is noticed at once. 0 for a kind that was neither measured nor guessed.
   */
  predict(kind: string, units: number): number {
    const cost = this.#costs.get(kind);
    const each = cost === undefined ? this.#guesses.get(kind) : Math.max(cost.milliseconds / cost.units, cost.last);
    return units === 0 ? 0 : units * (each ?? 0);
  }
}
