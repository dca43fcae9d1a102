import type { JournalEntry } from './journal.ts';
import { median } from './measurement.ts';

const OURS = 'ours';
const COLUMNS = ['', 'img/s', 'p50 ms', 'p99 ms', 'loop p99', 'CPU ms/img', 'ours / it', 'setting'] as const;

/**
 * A table of medians over the rounds of one model at one concurrency. A ratio is the median of those within each round,
 * in which the machine had the same speed for all.
 */
export function report(entries: readonly JournalEntry[]): readonly string[] {
  const ways = [...new Set(entries.map(({ way }) => way))];
  const of = (way: string) => entries.filter((entry) => entry.way === way);
  const rows = ways.map((way) => {
    const own = of(way);
    const number = (value: (entry: JournalEntry) => number | undefined, digits: number): string => {
      const values = own.flatMap((entry) => value(entry) ?? []);
      return values.length === 0 ? '-' : median(values).toFixed(digits);
    };
    const others = number(({ cpu }) => cpu.others, 1);
    return [
      way,
      number(({ throughput }) => throughput, 0),
      number(({ p50 }) => p50, 1),
      number(({ p99 }) => p99, 1),
      number(({ eventLoopDelay }) => eventLoopDelay, 1),
      number(({ cpu }) => cpu.server, 1) + (Number(others) > 0 ? ` + ${others}` : ''),
      way === OURS ? '' : ratio(of(OURS), own).toFixed(2),
      own.at(-1)?.setting ?? '',
    ];
  });
  const client = median(of(OURS).map(({ cpu }) => cpu.client));
  const share = median(of(OURS).map(({ cpu, throughput }) => (cpu.client * throughput) / 10));
  const failed = entries.flatMap(({ way, failures = {} }) =>
    Object.entries(failures).map(([what, count]) => `${way} ${count} x ${what}`),
  );
  return [
    ...table([[...COLUMNS], ...rows]),
    ...(Number.isNaN(client) ? [] : [`load client: ${client.toFixed(2)} ms an image, ${share.toFixed(0)} % of a core`]),
    ...(failed.length === 0 ? [] : [`requests that failed: ${failed.join('; ')}`]),
  ];
}

/** The median ratio of the throughputs of two ways within the rounds that have both. */
function ratio(way: readonly JournalEntry[], other: readonly JournalEntry[]): number {
  return median(
    way.flatMap(({ run, round, throughput }) => {
      const same = other.find((entry) => entry.run === run && entry.round === round);
      return same === undefined ? [] : [throughput / same.throughput];
    }),
  );
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === COLUMNS.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}
