/** Result of one way of serving in one round. */
export interface Measurement {
  /** Images per second. */
  readonly throughput: number;
  /** In milliseconds. */
  readonly latencies: readonly number[];
  /** 99th percentile in milliseconds; absent for the floor, which has no server. */
  readonly eventLoopDelay?: number;
  /** Requests without a response of status 200; our server must have none. */
  readonly failures?: number;
  /** Milliseconds of CPU time for each image. */
  readonly cpu: { readonly server: number; readonly engines: number; readonly client: number };
}

/** The median; of an even number of values, the higher of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
