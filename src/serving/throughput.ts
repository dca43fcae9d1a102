/** How long the recent past is, in milliseconds. */
const WINDOW_MS = 10_000;
const LONGEST_WAIT_S = 60;

/** Images per second over the last seconds, to tell a client when to come back. */
export class Throughput {
  readonly #batches: { at: number; images: number }[] = [];

  record(images: number, now = performance.now()): void {
    this.#forget(now);
    this.#batches.push({ at: now, images });
  }

  /** Whole seconds in which `images` will be served at the recent rate, 1 to 60; 1 when nothing is known. */
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
