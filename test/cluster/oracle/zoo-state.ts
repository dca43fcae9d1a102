import { type Fact, type FactOf, factsOf, type Span } from '../history.ts';

/** A request to remove a version. */
export type Removal = FactOf<'remove'>;

/** When versions came and when somebody asked to remove them. */
export class ZooState {
  readonly #present = new Map<string, number>();
  readonly #removals = new Map<string, Removal[]>();

  constructor(facts: readonly Fact[]) {
    for (const { at, numbers } of factsOf(facts, 'audit')) {
      for (const { model, number, state } of numbers) {
        const key = `${model}@${number}`;
        if (state === 'present' && !this.#present.has(key)) this.#present.set(key, at);
      }
    }
    for (const removal of factsOf(facts, 'remove')) {
      const key = `${removal.model}@${removal.version}`;
      this.#removals.set(key, [...(this.#removals.get(key) ?? []), removal]);
    }
  }

  /** When a version, such as `alpha@3`, was first seen in the bucket; undefined if never. */
  since(reference: string): number | undefined {
    return this.#present.get(reference);
  }

  /** Whether somebody had asked to remove it before the end of a span. What is refused for good reason does not count. */
  mayBeRemoved(reference: string, { until }: Pick<Span, 'until'>): boolean {
    return (this.#removals.get(reference) ?? []).some(({ at, answer }) => at <= until && answer.status !== 409);
  }

  /** When its removal was acknowledged; `Infinity` if never. */
  removedAt(reference: string): number {
    const acknowledged = (this.#removals.get(reference) ?? []).filter(({ answer }) => answer.status === 204);
    return Math.min(Number.POSITIVE_INFINITY, ...acknowledged.map(({ until }) => until));
  }
}
