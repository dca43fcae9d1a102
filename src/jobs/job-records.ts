import { randomBytes } from 'node:crypto';
import { AppError, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { EventLog } from './event-log.ts';
import type { JobJournal, StoredJob } from './job-journal.ts';
import { isFinished, type Job, type JobEvent, type JobProgress, type JobRequest } from './job-queue.ts';

/** A job and what happened to it. */
export interface JobRecord {
  job: Job;
  /** Undefined once the job is finished: its log is then read when somebody asks. */
  log: EventLog | undefined;
}

/** How much is kept. */
export interface RecordLimits {
  /** Finished jobs that are kept. */
  readonly keepFinished: number;
  /** Events that are kept of one job: at least half of it, at most all. */
  readonly maxEvents: number;
}

/**
 * The jobs in memory, in the order of their ids, each change written to the journal before it shows.
 * Whoever changes them does so one change at a time.
 */
export class JobRecords {
  readonly #journal: JobJournal;
  readonly #logger: Logger;
  readonly #limits: RecordLimits;
  readonly #records = new Map<string, JobRecord>();
  #newestTime = 0;

  private constructor(journal: JobJournal, logger: Logger, limits: RecordLimits) {
    this.#journal = journal;
    this.#logger = logger;
    this.#limits = limits;
  }

  /** Takes over what the journal kept, and the journal with it. */
  static async open(journal: JobJournal, logger: Logger, limits: RecordLimits): Promise<JobRecords> {
    const records = new JobRecords(journal, logger, limits);
    for (const stored of await journal.load()) await records.#takeOver(stored);
    await records.#forgetOldest();
    return records;
  }

  async #takeOver(stored: StoredJob): Promise<void> {
    const { job } = stored;
    this.#newestTime = Math.max(this.#newestTime, timeOfId(job.id));
    const record: JobRecord = { job, log: undefined };
    this.#records.set(job.id, record);
    if (isFinished(job.state)) return;
    record.log = new EventLog(await this.#journal.readEvents(job.id));
    if (record.log.lastId < stored.stateEventId) {
      // A crash came between the state and its event.
      record.log.append(stateEvent(stored.stateEventId, job));
      await this.#journal.replaceEvents(job.id, record.log.events);
    }
    const last = record.log.events.findLast(({ data }) => data.type === 'progress')?.data;
    if (last?.type === 'progress') record.job = { ...job, progress: last.progress };
  }

  all(): readonly JobRecord[] {
    return [...this.#records.values()];
  }

  /** @throws AppError `job_not_found` */
  find(id: string): JobRecord {
    const record = this.#records.get(id);
    if (record === undefined) throw new AppError('job_not_found', `there is no job ${JSON.stringify(id)} (any more)`);
    return record;
  }

  /** Keeps a new job, which waits. */
  async create({ payload, archivePath }: JobRequest): Promise<Job> {
    const job: Job = {
      id: this.#newId(),
      state: 'queued',
      payload,
      attempts: 0,
      cancelRequested: false,
      createdAt: now(),
      startedAt: null,
      finishedAt: null,
      progress: null,
      result: null,
      failure: null,
    };
    await this.#journal.create({ job, stateEventId: 1 }, archivePath);
    const record: JobRecord = { job, log: new EventLog([]) };
    this.#records.set(job.id, record);
    await this.#tellState(record);
    return job;
  }

  /** Changes the job's facts. A change of state also goes to the log; the end of a job takes its archive with it. */
  async change(record: JobRecord, change: Partial<Job>): Promise<void> {
    const job = { ...record.job, ...change };
    const moved = job.state !== record.job.state;
    const lastId = record.log?.lastId ?? 0;
    await this.#journal.save({ job, stateEventId: moved ? lastId + 1 : lastId });
    record.job = job;
    // The end shows when nothing of the job's archive is left.
    if (isFinished(job.state)) await this.#tidy(() => this.#journal.removeArchive(job.id));
    if (moved) await this.#tellState(record);
    if (!isFinished(job.state)) return;
    record.log = undefined;
    await this.#tidy(() => this.#forgetOldest());
  }

  /** Removes what is no longer needed. Where that fails the job has ended all the same; the next opening tries again. */
  async #tidy(remove: () => Promise<void>): Promise<void> {
    try {
      await remove();
    } catch (thrown) {
      this.#logger.warn({ reason: messageOf(thrown) }, 'old files of jobs could not be removed');
    }
  }

  async progress(record: JobRecord, progress: JobProgress): Promise<void> {
    await this.#append(record, { type: 'progress', progress });
    record.job = { ...record.job, progress };
  }

  /** The log of any job; of a finished one it is read anew, and cannot change any more. */
  async log({ job, log }: JobRecord): Promise<EventLog> {
    if (log !== undefined) return log;
    const read = new EventLog(await this.#journal.readEvents(job.id));
    if (!read.ended) read.append(stateEvent(read.lastId + 1, job));
    return read;
  }

  archivePath(id: string): Promise<string | undefined> {
    return this.#journal.archivePath(id);
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  async #tellState(record: JobRecord): Promise<void> {
    const { id, state, failure } = record.job;
    try {
      await this.#append(record, { type: 'state', state, failure });
    } catch (thrown) {
      // The state is kept and stands; its event is made up again when the log is read next.
      this.#logger.error({ job: id, reason: messageOf(thrown) }, 'an event could not be kept');
      record.log?.append(stateEvent(record.log.lastId + 1, record.job));
    }
  }

  async #append({ job, log }: JobRecord, data: JobEvent['data']): Promise<void> {
    if (log === undefined) throw new Error(`job ${job.id} has ended: nothing more can happen to it`);
    const event: JobEvent = { id: log.lastId + 1, at: now(), data };
    await this.#journal.append(job.id, event);
    log.append(event);
    if (log.events.length <= this.#limits.maxEvents) return;
    log.keep(Math.ceil(this.#limits.maxEvents / 2));
    await this.#journal.replaceEvents(job.id, log.events);
  }

  async #forgetOldest(): Promise<void> {
    const finished = this.all()
      .map(({ job }) => job)
      .filter(({ state }) => isFinished(state))
      .sort((a, b) => finishTime(a) - finishTime(b));
    for (const { id } of finished.slice(0, -this.#limits.keepFinished)) {
      await this.#journal.remove(id);
      this.#records.delete(id);
    }
  }

  /** Later than every id before, also when the clock was set back. */
  #newId(): string {
    this.#newestTime = Math.max(Date.now(), this.#newestTime + 1);
    return `${this.#newestTime.toString(16).padStart(12, '0')}-${randomBytes(4).toString('hex')}`;
  }
}

/** The present, as jobs note it. */
export function now(): string {
  return new Date().toISOString();
}

function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, id.indexOf('-')), 16);
}

function finishTime({ finishedAt, createdAt }: Job): number {
  return Date.parse(finishedAt ?? createdAt);
}

function stateEvent(id: number, { state, failure, finishedAt }: Job): JobEvent {
  return { id, at: finishedAt ?? now(), data: { type: 'state', state, failure } };
}
