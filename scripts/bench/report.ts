import { type Measurement, median } from './measurement.ts';

/** Measurements of each way of serving, one for each round. */
export type Results = Readonly<Record<'floor' | 'plain' | 'resting' | 'ours', Measurement[]>>;

/** Rows of medians, then the ratios of our server to the plain ones, and the CPU time of each process. */
export function report(results: Results, concurrency: number): readonly string[] {
  const { floor, plain, resting, ours } = results;
  const lines = Object.entries(results).map(
    ([way, measurements]) => `${String(concurrency).padStart(5)} ${row(way, measurements, floor)}`,
  );
  const lost = [...plain, ...resting].reduce((sum, { failures = 0 }) => sum + failures, 0);
  if (lost > 0) lines.push(`      ${lost} requests to the plain servers failed`);
  lines.push(`      ours / plain ${ratio(ours, plain)}, ours / resting ${ratio(ours, resting)}`);
  const cpu = (way: readonly Measurement[], whose: keyof Measurement['cpu']): string =>
    median(way.map((measurement) => measurement.cpu[whose])).toFixed(2);
  lines.push(
    `      CPU time for each image in ms: floor ${cpu(floor, 'server')}; plain ${cpu(plain, 'server')}; resting ${cpu(resting, 'server')}; ` +
      `ours ${cpu(ours, 'server')} server (HTTP and decoding) + ${cpu(ours, 'engines')} engines; ` +
      `load client ${cpu(ours, 'client')}`,
  );
  return lines;
}

/** The median of the ratios within each round, in which the machine had the same speed for both. */
function ratio(way: readonly Measurement[], other: readonly Measurement[]): string {
  return median(way.map(({ throughput }, round) => throughput / (other[round]?.throughput ?? Number.NaN))).toFixed(2);
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** A row of the table: medians over the rounds, and the ratio to the floor. */
function row(name: string, measurements: readonly Measurement[], floor: readonly Measurement[]): string {
  const of = (value: (m: Measurement) => number) => median(measurements.map(value));
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
    ratio(measurements, floor).padStart(8),
  ];
  return cells.join(' ');
}
