import type { Job, JobEvent } from './job-queue.ts';

/** A job as it is kept. */
export interface StoredJob {
  readonly job: Job;
  /** Id of the event that told of the job's present state. A crash may have come between the two. */
  readonly stateEventId: number;
}

/** Where an embedded queue keeps its jobs. One queue owns a journal and calls it one call at a time. */
export interface JobJournal {
  /** Every job that was kept, by id; what a crash left half-done is undone or completed. */
  load(): Promise<readonly StoredJob[]>;
  /** Keeps a new job and moves its archive in. When it rejects, nothing is kept. */
  create(stored: StoredJob, archivePath: string | undefined): Promise<void>;
  save(stored: StoredJob): Promise<void>;
  append(id: string, event: JobEvent): Promise<void>;
  readEvents(id: string): Promise<readonly JobEvent[]>;
  replaceEvents(id: string, events: readonly JobEvent[]): Promise<void>;
  /** A local path, or undefined when the job has no archive. */
  archivePath(id: string): Promise<string | undefined>;
  removeArchive(id: string): Promise<void>;
  remove(id: string): Promise<void>;
  close(): Promise<void>;
}
