/** A job as the API describes it, as far as the storm looks at it. */
export interface JobAnswer {
  readonly id: string;
  readonly state: 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  readonly progress: { readonly phase: string; readonly fraction: number } | null;
  readonly result: { readonly model: string; readonly version: number } | null;
  readonly failure: { readonly code: string; readonly message: string } | null;
  readonly attempts: number;
}

/**
 * What a server must hold: `present` and `absent` were acknowledged. `either` was asked for when the server was killed:
 * it must have happened whole or not at all.
 */
export type Expectation = 'present' | 'absent' | 'either';

/** Progress of a job when all its features are computed. They are kept; the fast phases after it start again. */
const KEPT_FRACTION = 0.85;

/** What was acknowledged over the lives of the server. */
export class Ledger {
  /** Versions that jobs have published, by `name@version`. */
  readonly versions = new Map<string, Expectation>();
  /** Imported models, by name. */
  readonly imports = new Map<string, Expectation>();
  /** Versions that an alias may point to: one if it was acknowledged, two if the change was under way; by `name`. */
  readonly aliases = new Map<string, readonly number[]>();
  /** The latest answer about each job that was accepted, by id. */
  readonly jobs = new Map<string, JobAnswer>();
  /** The highest progress that was kept of each job at the end of each life of the server, by id. */
  readonly progress = new Map<string, number[]>();

  /** Notes what the server says about a job now. */
  note(job: JobAnswer): void {
    this.jobs.set(job.id, job);
    if (job.result !== null) {
      const key = `${job.result.model}@${job.result.version}`;
      if (!this.versions.has(key)) this.versions.set(key, 'present');
    }
  }

  /** Versions of a model that are there for certain, newest last. */
  versionsOf(name: string): number[] {
    return [...this.versions]
      .filter(([key, expected]) => key.startsWith(`${name}@`) && expected === 'present')
      .map(([key]) => Number(key.slice(name.length + 1)))
      .sort((a, b) => a - b);
  }

  /** Notes the progress of unfinished jobs when a life of the server ends. */
  endLife(): void {
    for (const { id, state, progress } of this.jobs.values()) {
      if (state !== 'queued' && state !== 'running') continue;
      const seen = this.progress.get(id) ?? [];
      seen.push(Math.max(Math.min(progress?.fraction ?? 0, KEPT_FRACTION), seen.at(-1) ?? 0));
      this.progress.set(id, seen);
    }
  }
}

export function isFinished({ state }: JobAnswer): boolean {
  return state !== 'queued' && state !== 'running';
}
