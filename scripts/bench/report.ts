import { type Measurement, median, row } from './measurement.ts';

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
  const ratio = (others: readonly Measurement[]): string =>
    median(ours.map(({ throughput }, round) => throughput / (others[round]?.throughput ?? Number.NaN))).toFixed(2);
  lines.push(`      ours / plain ${ratio(plain)}, ours / resting ${ratio(resting)}`);
  const cpu = (way: readonly Measurement[], whose: keyof Measurement['cpu']): string =>
    median(way.map((measurement) => measurement.cpu[whose])).toFixed(2);
  lines.push(
    `      CPU ms an image: floor ${cpu(floor, 'server')}; plain ${cpu(plain, 'server')}; resting ${cpu(resting, 'server')}; ` +
      `ours ${cpu(ours, 'server')} server (HTTP and decoding) + ${cpu(ours, 'engines')} engines; ` +
      `beside it the load client ${cpu(ours, 'client')}`,
  );
  return lines;
}
