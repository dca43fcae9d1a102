import { type Fact, factsOf, type Outage, type Span } from '../history.ts';

/** Milliseconds in which a replica shows what was changed: two seconds are promised; the machine of the test is busy. */
const LAG_MS = 6_000;
/** Milliseconds after a fault in which what stands on the lost thing may still be out of order. */
const GRACE_MS = 10_000;

/** When which machine was hit by what, and what is excused by it. */
export class Excuses {
  readonly #outages: readonly Outage[];

  constructor(facts: readonly Fact[]) {
    this.#outages = factsOf(facts, 'outage');
  }

  /** Whether a machine was without one of these things, or had just got it back, at any time in a span. */
  isHit(machine: string, { at, until }: Span, lost: readonly Outage['lost'][]): boolean {
    return this.#of(machine, lost).some((outage) => outage.at <= until && outage.until + GRACE_MS >= at);
  }

  /** Since when a replica may not have heard of changes in the bucket, if one looks at it at a time. */
  deafSince(replica: string, time: number): number {
    const outages = this.#of(replica, ['s3', 'process']);
    let since = time - LAG_MS;
    for (;;) {
      const earlier = outages.filter((outage) => outage.at - LAG_MS < since && outage.until + GRACE_MS >= since);
      if (earlier.length === 0) return since;
      since = Math.min(...earlier.map(({ at }) => at - LAG_MS));
    }
  }

  #of(machine: string, lost: readonly Outage['lost'][]): Outage[] {
    return this.#outages.filter((outage) => outage.targets.includes(machine) && lost.includes(outage.lost));
  }
}
