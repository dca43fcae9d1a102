import { randomBytes } from 'node:crypto';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { EventLog } from './event-log.ts';
import { jobNotFound } from './job-errors.ts';
import type { JobJournal, LoadedJob } from './job-journal.ts';
import { isFinished, type Job, type JobEvent, type JobProgress, type JobRequest } from './job-queue.ts';
import type { RecordLimits } from './job-queue-limits.ts';

/** A job and what happened to it. */
export interface JobRecord {
  job: Job;
  /** Undefined once the job is finished: its log is then read from the journal on request. */
  log: EventLog | undefined;
  /** Whether more of the job was kept since a worker last took it. */
  advanced: boolean;
  /** Whether its record is damaged; see `LoadedJob`. */
  readonly unreadable: boolean;
}

/**
 * The jobs in memory, in the order of their ids, each change written to the journal before it shows. Callers make one
 * change at a time.
 */
export class JobRecords {
  readonly #journal: JobJournal;
  readonly #logger: Logger;
  readonly #limits: RecordLimits;
  readonly #records = new Map<string, JobRecord>();
  /** Jobs whose present state the journal does not have yet. */
  readonly #unsaved = new Set<JobRecord>();
  #newestTime = 0;

  private constructor(journal: JobJournal, logger: Logger, limits: RecordLimits) {
    this.#journal = journal;
    this.#logger = logger;
    this.#limits = limits;
  }

  /** Takes over what the journal kept, and the journal with it. */
  static async open(journal: JobJournal, logger: Logger, limits: RecordLimits): Promise<JobRecords> {
    const records = new JobRecords(journal, logger, limits);
    for (const loaded of await journal.load()) await records.#takeOver(loaded);
    await records.#tidy(() => records.#forgetOldest());
    return records;
  }

  async #takeOver({ job, stateEventId, unreadable }: LoadedJob): Promise<void> {
    this.#newestTime = Math.max(this.#newestTime, timeOfId(job.id));
    const record: JobRecord = { job, log: undefined, advanced: false, unreadable: unreadable ?? false };
    this.#records.set(job.id, record);
    if (isFinished(job.state)) return;
    const log = new EventLog(await this.#journal.readEvents(job.id));
    record.log = log;
    if (log.lastId < stateEventId) {
      // A crash came between the state and its event.
      log.append(stateEvent(stateEventId, job));
      await this.#tidy(() => this.#journal.replaceEvents(job.id, log.events));
    }
    const last = log.events.findLast(({ data }) => data.type === 'progress')?.data;
    if (last?.type !== 'progress') return;
    record.advanced = last.kept > job.kept;
    record.job = { ...job, progress: last.progress, kept: Math.max(job.kept, last.kept) };
  }

  all(): readonly JobRecord[] {
    return [...this.#records.values()];
  }

  /** @throws AppError `job_not_found` */
  find(id: string): JobRecord {
    const record = this.#records.get(id);
    if (record === undefined) throw jobNotFound(id);
    return record;
  }

  /** Keeps a new job, in the state queued. */
  async create(
    { payload, archivePath, idempotency, owner, priority = 'normal' }: JobRequest,
    turn: number,
  ): Promise<Job> {
    const job: Job = {
      id: this.#newId(),
      state: 'queued',
      payload,
      attempts: 0,
      kept: 0,
      cancelRequested: false,
      createdAt: now(),
      startedAt: null,
      finishedAt: null,
      progress: null,
      result: null,
      failure: null,
      idempotency: idempotency ?? null,
      priority,
      owner: owner ?? null,
      turn,
    };
    await this.#journal.create({ job, stateEventId: 1 }, archivePath);
    const record: JobRecord = { job, log: new EventLog([]), advanced: false, unreadable: false };
    this.#records.set(job.id, record);
    await this.#logState(record);
    return job;
  }

  /** Changes a job. A change of state is also logged; at the end of a job its archive is removed. */
  async change(record: JobRecord, change: Partial<Job>): Promise<void> {
    const job = { ...record.job, ...change };
    await this.#save(record, job);
    await this.#show(record, job);
  }

  /**
   * Changes a job as `change` does, for what has happened and cannot be refused: where the journal cannot be written,
   * the change shows all the same, and is stored by a later `storeUnsaved`.
   */
  async settle(record: JobRecord, change: Partial<Job>): Promise<void> {
    const job = { ...record.job, ...change };
    try {
      await this.#save(record, job);
    } catch (thrown) {
      this.#unsaved.add(record);
      const reason = messageOf(thrown);
      this.#logger.error({ job: job.id, state: job.state, reason }, 'the state of a job cannot be stored yet');
    }
    await this.#show(record, job);
  }

  /** Tries to store what could not be stored before. */
  async storeUnsaved(): Promise<void> {
    for (const record of this.#unsaved) {
      try {
        await this.#journal.save({ job: record.job, stateEventId: this.#stateEventId(record, record.job) });
      } catch {
        // The journal still cannot be written, which was logged the first time.
        return;
      }
      this.#unsaved.delete(record);
      const { id, state } = record.job;
      this.#logger.info({ job: id, state }, 'the state of a job is stored now');
      if (isFinished(state)) await this.#tidy(() => this.#journal.removeArchive(id));
    }
  }

  async #save(record: JobRecord, job: Job): Promise<void> {
    await this.#journal.save({ job, stateEventId: this.#stateEventId(record, job) });
    this.#unsaved.delete(record);
  }

  /** A change of state gets the next id of the log. Readers of a finished job's log make up what is missing. */
  #stateEventId({ job: { state }, log }: JobRecord, job: Job): number {
    const lastId = log?.lastId ?? 0;
    return job.state === state ? lastId : lastId + 1;
  }

  async #show(record: JobRecord, job: Job): Promise<void> {
    const moved = job.state !== record.job.state;
    record.job = job;
    const ended = isFinished(job.state);
    // Clients see the end when nothing of the job's archive is left. One that is not stored may have to be done again.
    if (ended && !this.#unsaved.has(record)) await this.#tidy(() => this.#journal.removeArchive(job.id));
    if (moved) await this.#logState(record);
    if (!ended) return;
    record.log = undefined;
    await this.#tidy(() => this.#forgetOldest());
  }

  /** Does what can also be done at the next opening: a failure is only logged. */
  async #tidy(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      this.#logger.warn({ reason: messageOf(thrown) }, 'files of jobs could not be put in order');
    }
  }

  /** @param kept see `JobReport` */
  async progress(record: JobRecord, progress: JobProgress, kept = 0): Promise<void> {
    const most = Math.max(kept, record.job.kept);
    await this.#append(record, { type: 'progress', progress, kept: most });
    record.advanced ||= most > record.job.kept;
    record.job = { ...record.job, progress, kept: most };
  }

  /** The log of any job; that of a finished one is read from the journal and does not change any more. */
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

  async #logState(record: JobRecord): Promise<void> {
    const { id, state, failure } = record.job;
    try {
      await this.#append(record, { type: 'state', state, failure });
    } catch (thrown) {
      // The state holds without it; the event is made up again when the log is read next.
      this.#logger.error({ job: id, reason: messageOf(thrown) }, 'an event could not be stored');
      record.log?.append(stateEvent(record.log.lastId + 1, record.job));
    }
  }

  async #append({ job, log }: JobRecord, data: JobEvent['data']): Promise<void> {
    if (log === undefined) throw new Error(`job ${job.id} has ended and takes no more events`);
    const event: JobEvent = { id: log.lastId + 1, at: now(), data };
    await this.#journal.append(job.id, event);
    log.append(event);
    if (log.events.length <= this.#limits.maxEvents) return;
    log.keep(Math.ceil(this.#limits.maxEvents / 2));
    await this.#tidy(() => this.#journal.replaceEvents(job.id, log.events));
  }

  async #forgetOldest(): Promise<void> {
    const finished = this.all()
      .filter((record) => !record.unreadable && !this.#unsaved.has(record))
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

/** The present time, in the format of `Job`. */
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
