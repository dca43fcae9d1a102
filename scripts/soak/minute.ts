import { percentile } from '../bench/measurement.ts';

/** Megabytes of resident memory. */
export interface Memory {
  readonly server: number;
  readonly engines: number;
  /** Of processes that train, which come and go. */
  readonly workers: number;
}

/** What was seen in a minute of a soak. */
export interface Minute {
  /** Counted from 1. */
  readonly minute: number;
  /** Requests that were due. */
  readonly due: number;
  /** Milliseconds, in any order. */
  readonly latencies: readonly number[];
  /** Numbers of answers other than 200 by status and code, and of broken connections. */
  readonly errors: Readonly<Record<string, number>>;
  /** Medians of the minute's samples; of the workers the most. */
  readonly rssMb: Memory;
  /** The most open file descriptors of the server. */
  readonly descriptors: number;
  /** Files and folders in the folder for temporary files and in those of the server, at the end. */
  readonly temporaryFiles: number;
  /** Jobs that ended in this minute, and those that are unfinished at its end. */
  readonly jobs: { readonly succeeded: number; readonly failed: number; readonly unfinished: number };
}

/** The minute as a line of JSON: percentiles instead of all latencies. */
export function minuteRecord({ latencies, ...minute }: Minute): object {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => Number(percentile(sorted, share).toFixed(2));
  return { ...minute, answers: sorted.length, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) };
}

/** The minute as a line of a terminal. */
export function minuteLine({
  minute,
  due,
  latencies,
  errors,
  rssMb,
  descriptors,
  temporaryFiles,
  jobs,
}: Minute): string {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => percentile(sorted, share).toFixed(1);
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
  return (
    `${String(minute).padStart(3)} min  ${due} due, ${sorted.length} answered, ${failed} errors  ` +
    `p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)} ms  ` +
    `MB: server ${rssMb.server.toFixed(0)}, engines ${rssMb.engines.toFixed(0)}, workers ${rssMb.workers.toFixed(0)}  ` +
    `${descriptors} descriptors, ${temporaryFiles} temporary files, ` +
    `jobs ${jobs.succeeded} succeeded, ${jobs.failed} failed, ${jobs.unfinished} unfinished`
  );
}
