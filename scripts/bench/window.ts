/** Responses in a time window. */
export interface WindowResult {
  /** Responses per second. */
  readonly throughput: number;
  /** Latencies in milliseconds, sorted. */
  readonly latencies: readonly number[];
  /** Number of all responses, including those before and after the window. */
  readonly answers: number;
}

/** Time before the window, in milliseconds, in which the number of concurrent requests builds up. */
const LEAD_MS = 500;

/**
 * The time window in which responses count. The load starts before it and ends after it, so that requests to an idle
 * server are not counted.
 */
export class Window {
  readonly #start = performance.now() + LEAD_MS;
  readonly #end: number;
  readonly #latencies: number[] = [];
  #answers = 0;

  constructor(seconds: number) {
    this.#end = this.#start + seconds * 1000;
  }

  /** Whether the window has ended. */
  get over(): boolean {
    return performance.now() > this.#end;
  }

  /** Counts a response that arrived now. @param sent time of the request, by `performance.now()` */
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
