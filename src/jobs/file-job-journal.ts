import { appendFile, copyFile, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, makeFolder, syncToDisk, UNFINISHED, writeFileDurably } from '../common/durable-files.ts';
import { messageOf } from '../common/errors.ts';
import { lockFolder } from '../common/folder-lock.ts';
import type { Logger } from '../common/logger.ts';
import { asStorageError } from '../common/storage-error.ts';
import type { JobJournal, LoadedJob, StoredJob } from './job-journal.ts';
import { isFinished, type Job, type JobEvent } from './job-queue.ts';
import { formatEvent, formatJob, JOB_ID, parseEvents, parseJob } from './stored-job.ts';

const JOB_FILE = 'job.json';
const EVENTS_FILE = 'events.jsonl';
const ARCHIVE_FILE = 'archive';

/**
 * One folder per job: `job.json`, replaced whole by atomic rename; `events.jsonl`, which grows; `archive`. A folder is
 * a job as long as it holds `job.json`. States and archives survive a power cut; progress events survive the death of
 * the process.
 */
export class FileJobJournal implements JobJournal {
  readonly #folder: string;
  readonly #logger: Logger;
  #unlock: (() => Promise<void>) | undefined;

  private constructor(folder: string, logger: Logger) {
    this.#folder = folder;
    this.#logger = logger;
  }

  /**
   * Locks the folder. On a disk that cannot be written, jobs can be read, and every write tries to lock the folder
   * first.
   * @throws FolderLockedError when another process has the folder open
   */
  static async open(folder: string, logger: Logger): Promise<FileJobJournal> {
    const journal = new FileJobJournal(folder, logger);
    try {
      await journal.#lock();
    } catch (thrown) {
      if (asStorageError(thrown) === undefined) throw thrown;
      logger.error({ folder, reason: messageOf(thrown) }, 'the folder of jobs cannot be written');
    }
    return journal;
  }

  async #lock(): Promise<void> {
    if (this.#unlock !== undefined) return;
    await makeFolder(this.#folder);
    this.#unlock = await lockFolder(this.#folder);
  }

  async load(): Promise<readonly LoadedJob[]> {
    const jobs: LoadedJob[] = [];
    for (const id of (await this.#names()).sort()) {
      if (!JOB_ID.test(id)) continue;
      const loaded = await this.#loadJob(id);
      if (this.#unlock !== undefined) await this.#tidy(id, loaded);
      if (loaded !== undefined) jobs.push(loaded);
    }
    return jobs;
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.#folder);
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return [];
      throw thrown;
    }
  }

  /** @returns undefined when the folder holds no job */
  async #loadJob(id: string): Promise<LoadedJob | undefined> {
    const path = this.#path(id, JOB_FILE);
    try {
      const stored = parseJob(await readFile(path, 'utf8'));
      if (stored.job.id !== id) throw new Error(`it is of job ${stored.job.id}`);
      return stored;
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return undefined;
      this.#logger.error({ path, reason: messageOf(thrown) }, 'the file of a job cannot be read');
      return { job: unreadableJob(id), stateEventId: 0, unreadable: true };
    }
  }

  /** Removes what a crash has left in the folder of a job. What cannot be removed now stays until the next opening. */
  async #tidy(id: string, loaded: LoadedJob | undefined): Promise<void> {
    try {
      if (loaded === undefined) {
        // It was never acknowledged, or is half removed.
        await rm(this.#path(id), { recursive: true, force: true });
        return;
      }
      for (const name of await readdir(this.#path(id))) {
        if (name.endsWith(UNFINISHED)) await rm(this.#path(id, name), { force: true });
      }
      if (isFinished(loaded.job.state) && !loaded.unreadable) await this.removeArchive(id);
    } catch (thrown) {
      this.#logger.warn({ path: this.#path(id), reason: messageOf(thrown) }, 'files of a job could not be removed');
    }
  }

  async create(stored: StoredJob, archivePath: string | undefined): Promise<void> {
    const { id } = stored.job;
    await this.#lock();
    try {
      await mkdir(this.#path(id));
      await syncToDisk(this.#folder);
      if (archivePath !== undefined) await moveFile(archivePath, this.#path(id, ARCHIVE_FILE));
      await this.save(stored);
    } catch (thrown) {
      await rm(this.#path(id), { recursive: true, force: true });
      throw thrown;
    }
  }

  async save(stored: StoredJob): Promise<void> {
    await this.#lock();
    await writeFileDurably(this.#path(stored.job.id, JOB_FILE), formatJob(stored));
  }

  async append(id: string, event: JobEvent): Promise<void> {
    await this.#lock();
    await appendFile(this.#path(id, EVENTS_FILE), formatEvent(event));
  }

  async readEvents(id: string): Promise<readonly JobEvent[]> {
    const path = this.#path(id, EVENTS_FILE);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (thrown) {
      if (errnoOf(thrown) !== 'ENOENT') {
        this.#logger.warn({ path, reason: messageOf(thrown) }, 'the events of a job cannot be read');
      }
      return [];
    }
    const { events, unreadable } = parseEvents(text);
    if (unreadable > 0) this.#logger.warn({ path, lines: unreadable }, 'some events of a job cannot be read');
    return events;
  }

  async replaceEvents(id: string, events: readonly JobEvent[]): Promise<void> {
    await this.#lock();
    await writeFileDurably(this.#path(id, EVENTS_FILE), events.map(formatEvent).join(''));
  }

  async archivePath(id: string): Promise<string | undefined> {
    const path = this.#path(id, ARCHIVE_FILE);
    try {
      await stat(path);
      return path;
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return undefined;
      throw thrown;
    }
  }

  async removeArchive(id: string): Promise<void> {
    await this.#lock();
    await rm(this.#path(id, ARCHIVE_FILE), { force: true });
  }

  async remove(id: string): Promise<void> {
    await this.#lock();
    await rm(this.#path(id, JOB_FILE), { force: true });
    await rm(this.#path(id), { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.#unlock?.();
  }

  #path(id: string, file = ''): string {
    return join(this.#folder, id, file);
  }
}

/** What is shown of a job whose file cannot be read. */
function unreadableJob(id: string): Job {
  const createdAt = new Date(Number.parseInt(id.slice(0, id.indexOf('-')), 16)).toISOString();
  const message = 'The record of this job is damaged. Its path is in the log of the server.';
  return {
    id,
    state: 'failed',
    payload: {},
    attempts: 0,
    kept: 0,
    cancelRequested: false,
    createdAt,
    startedAt: null,
    finishedAt: createdAt,
    progress: null,
    result: null,
    failure: { code: 'job_unreadable', message },
    idempotency: null,
    priority: 'normal',
    owner: null,
    turn: 0,
  };
}

/** Moves a file, between file systems too, and waits until its bytes are on the disk. */
async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
    await syncToDisk(to);
  } catch (thrown) {
    if (errnoOf(thrown) !== 'EXDEV') throw thrown;
    await copyFile(from, to);
    await syncToDisk(to);
    await rm(from, { force: true });
  }
}
