import { isFinished, JOB_PRIORITIES, type Job, type JobPriority } from './job-queue.ts';

/** Who asks for a job, and how urgently. */
type Asking = Pick<Job, 'owner' | 'priority'>;

/**
 * Whose turn it is: start-time fair queueing (Goyal, Vin and Cheng, 1996) with jobs that count the same. A job's turn is the
 * one after the last of its owner, or the one that is being worked on, whichever is later. So the second job of an owner
 * waits for the first ones of all others, and nobody waits longer for whoever always sends another.
 */
export class JobTurns {
  /** The turn of each priority that is being worked on. */
  readonly #current = new Map<JobPriority, number>();
  /** The turn after the last of each owner. */
  readonly #next = new Map<string, number>();

  /** Goes on where an earlier process has ended. @param jobs all that are kept, the oldest first */
  constructor(jobs: readonly Job[]) {
    const oldest = jobs.find(({ state }) => !isFinished(state));
    if (oldest === undefined) return;
    for (const job of jobs) {
      // Turns have begun anew since the others ended.
      if (job.finishedAt !== null && job.finishedAt < oldest.createdAt) continue;
      this.noteQueued(job);
      if (job.startedAt !== null) this.noteBegun(job);
    }
  }

  /** The turn of a job that is to be queued now. */
  of(asking: Asking): number {
    return Math.max(this.#current.get(asking.priority) ?? 0, this.#next.get(keyOf(asking)) ?? 0);
  }

  noteQueued(job: Job): void {
    this.#next.set(keyOf(job), Math.max(this.#next.get(keyOf(job)) ?? 0, job.turn + 1));
  }

  noteBegun({ priority, turn }: Job): void {
    this.#current.set(priority, Math.max(this.#current.get(priority) ?? 0, turn));
  }

  /** Begins anew, since nobody waits for anybody. */
  clear(): void {
    this.#current.clear();
    this.#next.clear();
  }
}

/** The order in which jobs are taken: by priority, then by turn, then by age. Negative when `a` comes first. */
export function compareJobs(a: Job, b: Job): number {
  const byPriority = JOB_PRIORITIES.indexOf(a.priority) - JOB_PRIORITIES.indexOf(b.priority);
  return byPriority || a.turn - b.turn || (a.id < b.id ? -1 : 1);
}

function keyOf({ owner, priority }: Asking): string {
  return `${priority} ${owner ?? ''}`;
}
