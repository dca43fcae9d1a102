/** Result of one way of serving in one round. */
export interface Measurement {
  /** Images per second. */
  readonly throughput: number;
  /** In milliseconds, sorted. */
  readonly latencies: readonly number[];
  /** 99th percentile in milliseconds, of servers that run on Node.js. */
  readonly eventLoopDelay?: number;
  /** Numbers of requests without a response of status 200, by what happened; our server must have none. */
  readonly failures?: Readonly<Record<string, number>>;
  /** Milliseconds of CPU time for each image. `others` are the processes that the server has started. */
  readonly cpu: { readonly server: number; readonly others: number; readonly client: number };
}

/** The median; of an even number of values, the higher of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** A percentile by the nearest rank. @param sorted ascending @param share 0.99 for the 99th */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
