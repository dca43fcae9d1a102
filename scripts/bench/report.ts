import { type Measurement, median } from './measurement.ts';

/** The measurements of each way, one for each round. */
export type Results = Readonly<Record<'floor' | 'plain' | 'resting' | 'ours', Measurement[]>>;

/** A table of medians, and beneath it what ours comes to beside the plain ways and where its time goes. */
export function report(results: Results, concurrency: number): readonly string[] {
  const { floor, plain, resting, ours } = results;
  const lines = Object.entries(results).map(
    ([way, measurements]) => `${String(concurrency).padStart(5)} ${row(way, measurements, floor)}`,
  );
  const lost = [...plain, ...resting].reduce((sum, { failures = 0 }) => sum + failures, 0);
  if (lost > 0) lines.push(`      the plain ways left ${lost} requests without their answer`);
  lines.push(`      ours / plain ${ratio(ours, plain)}, ours / resting ${ratio(ours, resting)}`);
  const cpu = (way: readonly Measurement[], whose: keyof Measurement['cpu']): string =>
    median(way.map((measurement) => measurement.cpu[whose])).toFixed(2);
  lines.push(
    `      CPU ms an image: floor ${cpu(floor, 'server')}; plain ${cpu(plain, 'server')}; resting ${cpu(resting, 'server')}; ` +
      `ours ${cpu(ours, 'server')} server (HTTP and decoding) + ${cpu(ours, 'engines')} engines; ` +
      `beside it the load client ${cpu(ours, 'client')}`,
  );
  return lines;
}

/** The median of each round's ratio: both ways were measured on the machine as it was in that round. */
function ratio(way: readonly Measurement[], other: readonly Measurement[]): string {
  return median(way.map(({ throughput }, round) => throughput / (other[round]?.throughput ?? Number.NaN))).toFixed(2);
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** A line of the table: medians over the rounds, and the ratio to the floor. */
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
