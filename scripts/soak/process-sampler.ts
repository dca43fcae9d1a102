import { readdirSync, readFileSync } from 'node:fs';
import { median } from '../bench/measurement.ts';
import { childrenOf, isInBackground, residentBytesOf } from '../server-process.ts';
import type { Memory } from './minute.ts';

const SAMPLE_MS = 1_000;
/** In the command of a process that runs a model; every other child of the server trains, compares, checks or decodes. */
const ENGINE = 'engine-child';

/** Looks at a server and the processes that it has started, once a second. */
export class ProcessSampler {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout;
  #memory: Memory[] = [];
  #descriptors: number[] = [];

  /** @param pid of the server */
  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** What was seen since the last call: medians of the memory, the most of the workers and of the descriptors. */
  take(): { readonly rssMb: Memory; readonly descriptors: number } {
    if (this.#memory.length === 0) this.#sample();
    const of = (kind: keyof Memory) => this.#memory.map((sample) => sample[kind]);
    const taken = {
      rssMb: { server: median(of('server')), engines: median(of('engines')), workers: Math.max(...of('workers')) },
      descriptors: Math.max(...this.#descriptors),
    };
    this.#memory = [];
    this.#descriptors = [];
    return taken;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const children = childrenOf(this.#pid);
    const engines = children.filter((pid) => commandOf(pid).includes(ENGINE) && !isInBackground(pid));
    const megabytes = (pids: readonly number[]) => pids.reduce((sum, pid) => sum + residentBytesOf(pid) / 1e6, 0);
    this.#memory.push({
      server: megabytes([this.#pid]),
      engines: megabytes(engines),
      workers: megabytes(children.filter((pid) => !engines.includes(pid))),
    });
    this.#descriptors.push(countEntries(`/proc/${this.#pid}/fd`));
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** Entries of a folder and of those in it; 0 where there is none. */
export function countEntries(folder: string): number {
  try {
    return readdirSync(folder, { recursive: true }).length;
  } catch {
    return 0;
  }
}
