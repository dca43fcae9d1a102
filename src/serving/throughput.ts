/** The span over which the rate is measured, in milliseconds. */
const WINDOW_MS = 10_000;
const LONGEST_WAIT_S = 60;

/** Images per second over the last seconds, from which `Retry-After` is estimated. */
export class Throughput {
  readonly #batches: { at: number; images: number }[] = [];

  record(images: number, now = performance.now()): void {
    this.#forget(now);
    this.#batches.push({ at: now, images });
  }

  /**
   * Whole seconds, 1 to 60, after which `images` will have been served at the recent rate; 1 when there is no rate
   * yet.
   */
  secondsFor(images: number, now = performance.now()): number {
    this.#forget(now);
    const served = this.#batches.reduce((sum, batch) => sum + batch.images, 0);
    const first = this.#batches[0]?.at ?? now;
    if (served === 0) return 1;
    const seconds = (images * Math.max(1, now - first)) / 1000 / served;
    return Math.min(LONGEST_WAIT_S, Math.max(1, Math.ceil(seconds)));
  }

  #forget(now: number): void {
    while ((this.#batches[0]?.at ?? now) < now - WINDOW_MS) this.#batches.shift();
  }
}
