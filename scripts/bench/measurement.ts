/** One way of serving in one round. */
export interface Measurement {
  readonly throughput: number;
  readonly latencies: readonly number[];
  /** 99th percentile in milliseconds; the floor has no event loop to keep free. */
  readonly eventLoopDelay?: number;
  /** Requests that got no answer, or another one than 200; ours may have none. */
  readonly failures?: number;
  /** Milliseconds of CPU an image. */
  readonly cpu: { readonly server: number; readonly engines: number; readonly client: number };
}

/** The middle one, the higher of two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
