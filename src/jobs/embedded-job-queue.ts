import { randomUUID } from 'node:crypto';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { Mutex } from '../common/mutex.ts';
import { ChangeNotifier } from './change-notifier.ts';
import { alreadyFinished, keyReused, ownerQueueFull, queueClosed, queueFull } from './job-errors.ts';
import type { JobJournal } from './job-journal.ts';
import {
  type Claim,
  ClaimLostError,
  isFinished,
  type Job,
  JobCancelledError,
  type JobEvent,
  type JobQueue,
  type JobReport,
  type JobRequest,
} from './job-queue.ts';
import { DEFAULT_LIMITS, type JobQueueLimits } from './job-queue-limits.ts';
import { type JobRecord, JobRecords, now } from './job-records.ts';
import { compareJobs, JobTurns } from './job-turns.ts';

/** Milliseconds between attempts to store what could not be stored, for example on a full disk. */
const STORE_INTERVAL_MS = 2_000;

/** The queue's side of a claim. */
interface Lease {
  readonly token: string;
  readonly controller: AbortController;
  readonly expiry: NodeJS.Timeout;
}

/** The job queue of one process. Leases are only in memory: when the process is gone, so are its workers. */
export class EmbeddedJobQueue implements JobQueue {
  readonly warnings = [];
  readonly dependencies = [];
  readonly #records: JobRecords;
  readonly #logger: Logger;
  readonly #limits: JobQueueLimits;
  /** One for each running job, by its id. */
  readonly #leases = new Map<string, Lease>();
  readonly #turns: JobTurns;
  /** Changes of jobs run one at a time. */
  readonly #mutex = new Mutex();
  /** Fires when there may be a job to claim, and when the queue closes. */
  readonly #claimable = new ChangeNotifier();
  readonly #storing: NodeJS.Timeout;
  #closed = false;

  private constructor(records: JobRecords, logger: Logger, limits: JobQueueLimits) {
    this.#records = records;
    this.#logger = logger;
    this.#limits = limits;
    this.#turns = new JobTurns(records.all().map(({ job }) => job));
    const store = () => void this.#mutex.run(() => this.#records.storeUnsaved());
    this.#storing = setInterval(store, STORE_INTERVAL_MS).unref();
  }

  /** Takes over what the journal kept, and closes the journal when it is closed itself. */
  static async open(
    journal: JobJournal,
    logger: Logger,
    limits: Partial<JobQueueLimits> = {},
  ): Promise<EmbeddedJobQueue> {
    const all = { ...DEFAULT_LIMITS, ...limits };
    const queue = new EmbeddedJobQueue(await JobRecords.open(journal, logger, all), logger, all);
    for (const record of queue.#records.all()) {
      if (record.job.state === 'running') await queue.#workerLost(record, 'its process ended');
    }
    return queue;
  }

  enqueue(request: JobRequest): Promise<Job> {
    return this.#mutex.run(async () => {
      this.#refuseWhenClosed();
      const earlier = this.#madeBy(request);
      if (earlier !== undefined) return earlier;
      this.#refuseWhenFull(request);
      const { owner, priority = 'normal' } = request;
      const job = await this.#records.create(request, this.#turns.of({ owner: owner ?? null, priority }));
      this.#turns.noteQueued(job);
      this.#claimable.fire();
      return job;
    });
  }

  #refuseWhenFull({ owner }: JobRequest): void {
    const { maxQueued, maxQueuedPerOwner } = this.#limits;
    const waiting = this.#records.all().filter(({ job }) => job.state === 'queued');
    if (waiting.length >= maxQueued) throw queueFull(maxQueued);
    const own = waiting.filter(({ job }) => job.owner === owner).length;
    if (own >= maxQueuedPerOwner) throw ownerQueueFull(maxQueuedPerOwner);
  }

  /** The job of an earlier request with the same key. @throws AppError `idempotency_key_reused` */
  #madeBy({ idempotency, owner }: JobRequest): Job | undefined {
    if (idempotency === undefined) return undefined;
    const { key } = idempotency;
    const earlier = this.#records
      .all()
      .find(({ job }) => job.owner === (owner ?? null) && job.idempotency?.key === key)?.job;
    if (earlier === undefined || earlier.idempotency?.fingerprint === idempotency.fingerprint) return earlier;
    throw keyReused(earlier.id);
  }

  async claim(signal?: AbortSignal): Promise<Claim | undefined> {
    for (;;) {
      const seen = this.#claimable.count;
      const claim = await this.#mutex.run(async () => (signal?.aborted ? undefined : this.#claimNext()));
      if (claim !== undefined || this.#closed || signal?.aborted) return claim;
      await this.#claimable.after(seen, signal);
    }
  }

  async #claimNext(): Promise<Claim | undefined> {
    if (this.#closed) return undefined;
    const [record] = this.#records
      .all()
      .filter(({ job }) => job.state === 'queued')
      .sort((a, b) => compareJobs(a.job, b.job));
    if (record === undefined) return undefined;
    const { id, attempts } = record.job;
    await this.#records.change(record, { state: 'running', attempts: attempts + 1, startedAt: now() });
    record.advanced = false;
    this.#turns.noteBegun(record.job);
    const lease: Lease = {
      token: randomUUID(),
      controller: new AbortController(),
      expiry: setTimeout(() => this.#revoke(record, lease, 'its lease ran out'), this.#limits.leaseMs).unref(),
    };
    this.#leases.set(id, lease);
    return {
      job: record.job,
      token: lease.token,
      signal: lease.controller.signal,
      archivePath: () => this.#records.archivePath(id),
    };
  }

  report(claim: Claim, report: JobReport): Promise<void> {
    return this.#mutex.run(async () => {
      const lease = this.#leases.get(claim.job.id);
      if (lease?.token !== claim.token) throw new ClaimLostError('the job has ended or was given to another');
      lease.expiry.refresh();
      const record = this.#records.find(claim.job.id);
      switch (report.type) {
        case 'heartbeat':
          return;
        case 'progress':
          return this.#records.progress(record, report.progress, report.kept);
        case 'succeeded':
          return this.#finish(record, { state: 'succeeded', result: report.result });
        case 'failed':
          return record.job.cancelRequested
            ? this.#finish(record, { state: 'cancelled' })
            : this.#finish(record, { state: 'failed', failure: report.failure });
        case 'abandoned':
          return this.#workerLost(record, report.reason);
        case 'cancelled':
          if (!record.job.cancelRequested) throw new Error(`nobody asked to cancel job ${claim.job.id}`);
          return this.#finish(record, { state: 'cancelled' });
      }
    });
  }

  async cancel(id: string): Promise<Job> {
    const record = this.#records.find(id);
    const { log } = record;
    await this.#mutex.run(() => this.#requestCancel(record));
    while (log !== undefined && !isFinished(record.job.state)) await log.changed.after(log.changed.count);
    if (record.job.state !== 'cancelled') throw alreadyFinished(record.job);
    return record.job;
  }

  async #requestCancel(record: JobRecord): Promise<void> {
    this.#refuseWhenClosed();
    if (isFinished(record.job.state)) throw alreadyFinished(record.job);
    if (record.job.cancelRequested) return;
    const lease = this.#leases.get(record.job.id);
    if (lease === undefined) {
      await this.#records.change(record, { state: 'cancelled', finishedAt: now() });
      return this.#clearTurns();
    }
    await this.#records.change(record, { cancelRequested: true });
    lease.controller.abort(new JobCancelledError());
    setTimeout(() => this.#revoke(record, lease, 'it did not stop in time'), this.#limits.cancelGraceMs).unref();
  }

  async get(id: string): Promise<Job> {
    return this.#records.find(id).job;
  }

  async list(): Promise<readonly Job[]> {
    return this.#records
      .all()
      .map(({ job }) => job)
      .reverse();
  }

  async *events(id: string, afterId = 0, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    const log = await this.#records.log(this.#records.find(id));
    yield* log.follow(afterId, () => this.#closed, signal);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#storing);
    await this.#mutex.run(async () => {
      await this.#records.storeUnsaved();
      for (const record of this.#records.all()) {
        if (record.job.state === 'running') await this.#giveBack(record);
        record.log?.changed.fire();
      }
      this.#claimable.fire();
      await this.#closeRecords();
    });
  }

  async #closeRecords(): Promise<void> {
    try {
      await this.#records.close();
    } catch (thrown) {
      this.#logger.error({ reason: messageOf(thrown) }, 'the job queue could not be closed in order');
    }
  }

  /** Queues a running job again because the queue closes: that is no attempt of the job. */
  async #giveBack(record: JobRecord): Promise<void> {
    if (record.job.cancelRequested) return this.#finish(record, { state: 'cancelled' }, 'the queue closed');
    // A journal that cannot be written still says running: at the next opening the worker counts as lost.
    await this.#records.settle(record, { state: 'queued', attempts: record.job.attempts - 1 });
    this.#release(record, 'the queue closed');
  }

  /** Takes a claim from a worker that does not answer. */
  #revoke(record: JobRecord, lease: Lease, reason: string): void {
    this.#mutex
      .run(async () => {
        if (this.#leases.get(record.job.id) === lease) await this.#workerLost(record, reason);
      })
      .catch((thrown: unknown) => {
        this.#logger.error({ job: record.job.id, reason: messageOf(thrown) }, 'a claim could not be revoked');
        lease.expiry.refresh();
      });
  }

  async #workerLost(record: JobRecord, reason: string): Promise<void> {
    const { attempts, cancelRequested, id } = record.job;
    const { advanced } = record;
    this.#logger.warn({ job: id, attempts, advanced, reason }, 'a job lost its worker');
    if (cancelRequested) return this.#finish(record, { state: 'cancelled' }, reason);
    if (attempts >= this.#limits.maxAttempts && !advanced) {
      const message = `the worker was lost ${attempts} times without getting further, the last time because ${reason}`;
      return this.#finish(record, { state: 'failed', failure: { code: 'worker_lost', message } }, reason);
    }
    await this.#records.settle(record, { state: 'queued', ...(advanced && { attempts: 0 }) });
    this.#release(record, reason);
    this.#claimable.fire();
  }

  /** @param lost why the worker must stop, unless the worker itself ended the job */
  async #finish(record: JobRecord, change: Partial<Job>, lost?: string): Promise<void> {
    await this.#records.settle(record, { ...change, finishedAt: now() });
    this.#release(record, lost);
    this.#clearTurns();
  }

  /** Turns begin anew when nobody waits for anybody. */
  #clearTurns(): void {
    if (this.#records.all().every(({ job }) => isFinished(job.state))) this.#turns.clear();
  }

  #release({ job }: JobRecord, lost?: string): void {
    const lease = this.#leases.get(job.id);
    if (lease === undefined) return;
    clearTimeout(lease.expiry);
    this.#leases.delete(job.id);
    if (lost !== undefined) lease.controller.abort(new ClaimLostError(lost));
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw queueClosed();
  }
}
