/** How an attempt at a job ended; `interrupted` ones are tried again. */
export type JobOutcome = 'succeeded' | 'failed' | 'cancelled' | 'interrupted';

export const JOB_OUTCOMES: readonly JobOutcome[] = ['succeeded', 'failed', 'cancelled', 'interrupted'];

/** Told of each attempt at a job, for metrics and traces. */
export interface JobObserver {
  startJob(id: string): {
    /** Called with each report of progress; a name that is repeated is the same phase. */
    phase(name: string): void;
    end(outcome: JobOutcome): void;
  };
}

/** One observer that tells others. */
export function observeTogether(observers: readonly JobObserver[]): JobObserver {
  return {
    startJob: (id) => {
      const jobs = observers.map((observer) => observer.startJob(id));
      return {
        phase: (name) => {
          for (const job of jobs) job.phase(name);
        },
        end: (outcome) => {
          for (const job of jobs) job.end(outcome);
        },
      };
    },
  };
}
