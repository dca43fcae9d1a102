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

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** A line of the table: medians over the rounds, and the median of each round's ratio to its floor. */
export function row(name: string, measurements: readonly Measurement[], floor: readonly Measurement[]): string {
  const of = (value: (m: Measurement) => number) => median(measurements.map(value));
  const ratio = median(measurements.map((m, round) => m.throughput / (floor[round]?.throughput ?? Number.NaN)));
  const cells = [
    name.padEnd(7),
    of((m) => m.throughput)
      .toFixed(0)
      .padStart(7),
    of((m) => percentile(m.latencies, 0.5))
      .toFixed(1)
      .padStart(8),
    of((m) => percentile(m.latencies, 0.95))
      .toFixed(1)
      .padStart(8),
    of((m) => percentile(m.latencies, 0.99))
      .toFixed(1)
      .padStart(8),
    name === 'floor'
      ? '       -'
      : of((m) => m.eventLoopDelay ?? Number.NaN)
          .toFixed(1)
          .padStart(8),
    ratio.toFixed(2).padStart(8),
  ];
  return cells.join(' ');
}
