import type { Job, JobEvent } from './job-queue.ts';

/** A job as it is kept. */
export interface StoredJob {
  readonly job: Job;
  /** Id of the event of the job's present state. A crash may have come between the two. */
  readonly stateEventId: number;
}

/** A job as it was found. */
export interface LoadedJob extends StoredJob {
  /**
   * Set when its record is damaged: the job is then failed with the code `job_unreadable`, and is neither saved nor
   * removed, so that a person can look at it.
   */
  readonly unreadable?: true;
}

/** Storage of an embedded queue. One queue owns a journal and makes one call at a time. */
export interface JobJournal {
  /** Every job that was kept, by id; what a crash left half-done is undone or completed. */
  load(): Promise<readonly LoadedJob[]>;
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
