import { percentile } from '../bench/measurement.ts';
import type { Minute } from './minute.ts';
import { robustSlope, type Slope } from './robust-slope.ts';

/** A thing that must hold, and what was seen. */
export interface Finding {
  readonly holds: boolean;
  readonly text: string;
}

/** Share of the minutes at the start that do not count for the memory: caches fill, and V8 compiles. */
const WARM_UP = 1 / 6;
/** Minutes at the start and at the end whose latencies are compared; fewer where there are not so many. */
const COMPARED = 10;
/** Growth of the memory in an hour, as a share, that would be noticed within a day. */
const MAX_GROWTH = 0.05;
/** How many times the 99th percentile at the start that at the end may be. */
const MAX_RATIO = 1.25;

/**
 * Judges a soak. Memory is flat when it does not grow by more than a twentieth in an hour, or when its slope cannot be told
 * from none; what grows for certain but less is said, too.
 * @param minutes at least one
 */
export function judge(minutes: readonly Minute[]): Finding[] {
  return [
    ...memoryFindings(minutes),
    countFinding('file descriptors', minutes, ({ descriptors }) => descriptors),
    countFinding('temporary files', minutes, ({ temporaryFiles }) => temporaryFiles),
    ...errorFindings(minutes),
    latencyFinding(minutes),
  ];
}

function memoryFindings(minutes: readonly Minute[]): Finding[] {
  const counted = minutes.slice(Math.floor(WARM_UP * minutes.length));
  return (['server', 'engines'] as const).map((process) => {
    const values = counted.map(({ rssMb }) => rssMb[process]);
    const usual = percentile(
      values.toSorted((a, b) => a - b),
      0.5,
    );
    const { slope, low, high } = hourly(
      robustSlope(counted.map(({ minute, rssMb }) => ({ x: minute, y: rssMb[process] }))),
    );
    const share = (value: number) => `${(100 * (value / usual)).toFixed(1)} %`;
    return {
      holds: low <= 0 || slope / usual <= MAX_GROWTH,
      text:
        `memory of the ${process}: ${usual.toFixed(0)} MB, ${slope.toFixed(1)} MB an hour ` +
        `(${share(slope)}; 95 %: ${low.toFixed(1)} to ${high.toFixed(1)})`,
    };
  });
}

function hourly({ slope, low, high }: Slope): Slope {
  return { slope: 60 * slope, low: 60 * low, high: 60 * high };
}

/** Descriptors come and go with connections, files with requests; of a leak there are ever more. */
function countFinding(what: string, minutes: readonly Minute[], of: (minute: Minute) => number): Finding {
  const counts = minutes.map(of);
  const { slope, low } = hourly(robustSlope(minutes.map((each) => ({ x: each.minute, y: of(each) }))));
  return {
    holds: low <= 0,
    text: `${what}: ${Math.min(...counts)} to ${Math.max(...counts)}, ${slope.toFixed(1)} an hour`,
  };
}

function errorFindings(minutes: readonly Minute[]): Finding[] {
  const errors: Record<string, number> = {};
  for (const each of minutes) {
    for (const [what, count] of Object.entries(each.errors)) errors[what] = (errors[what] ?? 0) + count;
  }
  const listed = Object.entries(errors).map(([what, count]) => `${count} x ${what}`);
  const answered = minutes.reduce((sum, each) => sum + each.latencies.length, 0);
  const failed = minutes.reduce((sum, { jobs }) => sum + jobs.failed, 0);
  const succeeded = minutes.reduce((sum, { jobs }) => sum + jobs.succeeded, 0);
  return [
    { holds: listed.length === 0, text: `errors: ${listed.join(', ') || 'none'} beside ${answered} answers` },
    { holds: failed === 0, text: `fine-tunes: ${succeeded} succeeded, ${failed} failed` },
  ];
}

function latencyFinding(minutes: readonly Minute[]): Finding {
  const compared = Math.min(COMPARED, Math.floor(minutes.length / 2));
  if (compared === 0) return { holds: true, text: 'p99: one minute has no start and end to compare' };
  const p99 = (part: readonly Minute[]) =>
    percentile(
      part.flatMap(({ latencies }) => latencies).sort((a, b) => a - b),
      0.99,
    );
  const [first, last] = [p99(minutes.slice(0, compared)), p99(minutes.slice(-compared))];
  return {
    holds: last <= MAX_RATIO * first,
    text: `p99: ${first.toFixed(1)} ms in the first ${compared} minutes, ${last.toFixed(1)} ms in the last`,
  };
}
