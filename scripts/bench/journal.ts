import { existsSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { type Measurement, percentile } from './measurement.ts';

/** A measurement as a line of JSON. */
export interface JournalEntry {
  /** Time of the run's start: rounds of several runs may be in one file. */
  readonly run: string;
  readonly round: number;
  readonly model: string;
  readonly concurrency: number;
  readonly way: string;
  readonly setting: string;
  /** Images per second. */
  readonly throughput: number;
  /** In milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly eventLoopDelay?: number;
  readonly failures?: Readonly<Record<string, number>>;
  /** In milliseconds for each image. */
  readonly cpu: Measurement['cpu'];
}

/** What has been measured, also by earlier runs that wrote to the same file. */
export class Journal {
  readonly #path: string | undefined;
  readonly #entries: JournalEntry[];

  private constructor(path: string | undefined, entries: JournalEntry[]) {
    this.#path = path;
    this.#entries = entries;
  }

  /** @param path file to continue; without it everything is kept in memory only */
  static async open(path: string | undefined): Promise<Journal> {
    const text = path !== undefined && existsSync(path) ? await readFile(path, 'utf8') : '';
    const lines = text.split('\n').filter((line) => line !== '');
    return new Journal(
      path,
      lines.map((line) => JSON.parse(line) as JournalEntry),
    );
  }

  async add(
    where: Pick<JournalEntry, 'run' | 'round' | 'model' | 'concurrency' | 'way' | 'setting'>,
    { throughput, latencies, eventLoopDelay, failures, cpu }: Measurement,
  ): Promise<void> {
    const entry: JournalEntry = {
      ...where,
      throughput,
      p50: percentile(latencies, 0.5),
      p95: percentile(latencies, 0.95),
      p99: percentile(latencies, 0.99),
      ...(eventLoopDelay !== undefined && { eventLoopDelay }),
      ...(failures !== undefined && Object.keys(failures).length > 0 && { failures }),
      cpu,
    };
    this.#entries.push(entry);
    if (this.#path !== undefined) await appendFile(this.#path, `${JSON.stringify(entry)}\n`);
  }

  /** The entries of a model at a concurrency. */
  of(model: string, concurrency: number): readonly JournalEntry[] {
    return this.#entries.filter((entry) => entry.model === model && entry.concurrency === concurrency);
  }

  /** The setting that was last chosen for a way. */
  setting(model: string, concurrency: number, way: string): string | undefined {
    return this.of(model, concurrency).findLast((entry) => entry.way === way)?.setting;
  }
}
