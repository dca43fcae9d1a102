/** What came in a window. */
export interface WindowResult {
  /** Answers a second. */
  readonly throughput: number;
  /** Milliseconds of each of them, from `sent`, sorted. */
  readonly latencies: readonly number[];
  /** All answers, those before and after the window included. */
  readonly answers: number;
}

/** How long work goes on uncounted first, in milliseconds, until as many images are under way as will be. */
const LEAD_MS = 1000;

/**
 * The time in which answers count. The load goes on around it, so that neither the first requests, which find everything
 * idle, nor the last, which leave it so, are taken for the speed of a loaded server.
 */
export class Window {
  readonly #start = performance.now() + LEAD_MS;
  readonly #end: number;
  readonly #latencies: number[] = [];
  #answers = 0;

  constructor(seconds: number) {
    this.#end = this.#start + seconds * 1000;
  }

  /** Whether no more work need begin. */
  get over(): boolean {
    return performance.now() > this.#end;
  }

  /** Notes an answer that came now. @param sent when it was asked for, by `performance.now()` */
  count(sent: number): void {
    const now = performance.now();
    this.#answers += 1;
    if (now >= this.#start && now <= this.#end) this.#latencies.push(now - sent);
  }

  result(): WindowResult {
    return {
      throughput: (this.#latencies.length * 1000) / (this.#end - this.#start),
      latencies: this.#latencies.sort((a, b) => a - b),
      answers: this.#answers,
    };
  }
}
