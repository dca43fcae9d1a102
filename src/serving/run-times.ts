/**
 * A run takes at most this many times what it took before: an engine yields to every other process of a busy machine.
 */
const SLOWDOWN_LIMIT = 50;
const SHORTEST_LIMIT_MS = 30_000;
/** A first run has not been measured, and lays out the memory of later ones. */
const FIRST_RUN_LIMIT_MS = 300_000;

/**
 * How long runs take in one engine, and how long the next may take before the engine counts as hung. A stopped
 * process is noticed by its heartbeat within seconds; this bound is for native code that neither returns nor dies.
 */
export class RunTimes {
  /** The slowest run of each kind so far, in milliseconds per image. */
  readonly #slowest = new Map<string, number>();

  /** @param kind runs of one kind take similar times per image */
  record(kind: string, images: number, ms: number): void {
    this.#slowest.set(kind, Math.max(this.#slowest.get(kind) ?? 0, ms / images));
  }

  /** Milliseconds that a run may take. */
  limit(kind: string, images: number): number {
    const slowest = this.#slowest.get(kind);
    if (slowest === undefined) return FIRST_RUN_LIMIT_MS;
    return Math.max(SHORTEST_LIMIT_MS, SLOWDOWN_LIMIT * slowest * images);
  }
}
