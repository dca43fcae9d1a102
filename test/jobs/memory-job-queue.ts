import { rm } from 'node:fs/promises';
import { createLogger } from '../../src/common/logger.ts';
import { EmbeddedJobQueue } from '../../src/jobs/embedded-job-queue.ts';
import type { JobJournal, StoredJob } from '../../src/jobs/job-journal.ts';
import type { JobEvent } from '../../src/jobs/job-queue.ts';
import type { JobQueueLimits } from '../../src/jobs/job-queue-limits.ts';

/** Keeps jobs in memory. Archives stay where they are until their job ends. */
export class MemoryJobJournal implements JobJournal {
  /** Whether writing fails, as on a full disk. */
  full = false;
  readonly #jobs = new Map<string, { stored: StoredJob; events: readonly JobEvent[]; archive: string | undefined }>();

  async load(): Promise<readonly StoredJob[]> {
    return [...this.#jobs.values()].map(({ stored }) => stored);
  }

  async create(stored: StoredJob, archive: string | undefined): Promise<void> {
    this.#write();
    this.#jobs.set(stored.job.id, { stored, events: [], archive });
  }

  async save(stored: StoredJob): Promise<void> {
    this.#write();
    this.#of(stored.job.id).stored = stored;
  }

  async append(id: string, event: JobEvent): Promise<void> {
    this.#write();
    const kept = this.#of(id);
    kept.events = [...kept.events, event];
  }

  async readEvents(id: string): Promise<readonly JobEvent[]> {
    return this.#of(id).events;
  }

  async replaceEvents(id: string, events: readonly JobEvent[]): Promise<void> {
    this.#of(id).events = events;
  }

  async archivePath(id: string): Promise<string | undefined> {
    return this.#of(id).archive;
  }

  async removeArchive(id: string): Promise<void> {
    const kept = this.#of(id);
    if (kept.archive !== undefined) await rm(kept.archive, { force: true });
    kept.archive = undefined;
  }

  async remove(id: string): Promise<void> {
    this.#jobs.delete(id);
  }

  async close(): Promise<void> {}

  #write(): void {
    if (this.full) throw new Error('no space left on device');
  }

  #of(id: string) {
    const kept = this.#jobs.get(id);
    if (kept === undefined) throw new Error(`no job ${id}`);
    return kept;
  }
}

/** A job queue without a disk, for tests of its users. */
export function openMemoryJobQueue(
  limits: Partial<JobQueueLimits> = {},
  journal = new MemoryJobJournal(),
): Promise<EmbeddedJobQueue> {
  return EmbeddedJobQueue.open(journal, createLogger('silent'), limits);
}
