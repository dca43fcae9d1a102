import { availableParallelism } from 'node:os';
import { AppError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { PRIORITIES, type Priority } from '../priority.ts';
import type { AnswerName, ExplainedClasses, Outputs } from '../runtime/session.ts';
import type { PixelTensor } from '../tensor.ts';
import { EngineProcess } from './engine-process.ts';
import type { EngineModel, LoadedModel } from './messages.ts';

/** An engine dies this often in a row, at once after its start, before waiting requests are told. */
const HOPELESS_STARTS = 5;
const LONGEST_BACKOFF_MS = 10_000;

export interface EnginePoolOptions {
  /** Number of processes; `engineCount` says how many suit the machine. */
  readonly size: number;
  /** Threads that may compute at once, over all processes: the cores that engines may have. */
  readonly threads: number;
  /** Added to the processes' scheduling priority, 0 to 19: above 0 the HTTP thread goes first. */
  readonly niceness: number;
  readonly logger: Logger;
}

/** An engine, held by one caller until `release`. */
export interface EngineLease {
  /** Runs a batch; loads the model first if this engine does not hold it yet. @throws see `EngineProcess.run`. */
  run(pixels: PixelTensor, outputs: readonly AnswerName[], classes?: ExplainedClasses): Promise<Outputs>;
  release(): void;
}

/** What `report` says of one engine. */
export interface EngineReport {
  readonly index: number;
  readonly pid: number | undefined;
  readonly state: 'starting' | 'idle' | 'busy';
  /** Resident memory in bytes when it last answered; 0 before that. */
  readonly rss: number;
  /** How often this engine has died and been started again. */
  readonly restarts: number;
  readonly models: readonly LoadedModel[];
}

interface Slot {
  readonly index: number;
  engine: EngineProcess | undefined;
  ready: boolean;
  /** Threads of the model it is lent for; 0 when it is free. */
  threads: number;
  restarts: number;
  /** Ends since it last answered a run. */
  failures: number;
  restart: NodeJS.Timeout | undefined;
}

interface Waiter {
  readonly model: EngineModel;
  readonly resolve: (lease: EngineLease) => void;
  readonly reject: (error: AppError) => void;
}

/**
 * How many engines suit this machine when a model is computed by `threads` threads: as many as its cores can run side by
 * side, and at least two where it has two cores. The second takes over at once while the first is started again.
 */
export function engineCount(threads: number): number {
  const cores = availableParallelism();
  return Math.max(Math.min(cores, 2), Math.floor(cores / threads));
}

/**
 * A fixed number of engine processes, lent to one caller each, as long as the models they run have threads enough.
 * Callers queue by priority, first come first served inside one. An engine that dies takes its own batch with it and
 * nothing else, and is started again.
 */
export class EnginePool {
  readonly #threads: number;
  readonly #niceness: number;
  readonly #logger: Logger;
  readonly #slots: readonly Slot[];
  readonly #waiting: Readonly<Record<Priority, Waiter[]>> = { interactive: [], bulk: [], training: [] };
  #closing = false;
  #onAllReturned: (() => void) | undefined;

  constructor({ size, threads, niceness, logger }: EnginePoolOptions) {
    this.#threads = threads;
    this.#niceness = niceness;
    this.#logger = logger;
    this.#slots = Array.from({ length: size }, (_, index) => ({
      index,
      engine: undefined,
      ready: false,
      threads: 0,
      restarts: 0,
      failures: 0,
      restart: undefined,
    }));
    for (const slot of this.#slots) this.#start(slot);
  }

  /** Waits for a free engine, by preference one that holds the model. @throws AppError shutting_down, engine_lost. */
  acquire(model: EngineModel, priority: Priority): Promise<EngineLease> {
    if (this.#closing) return Promise.reject(shuttingDown());
    return new Promise((resolve, reject) => {
      this.#waiting[priority].push({ model, resolve, reject });
      this.#dispatch();
    });
  }

  /** Whether nothing runs and nobody waits. */
  get idle(): boolean {
    return this.#threadsInUse() === 0 && PRIORITIES.every((priority) => this.#waiting[priority].length === 0);
  }

  /** How many batches of a model can run at the same time, at least one. */
  concurrency({ threads }: EngineModel): number {
    return Math.max(1, Math.min(this.#slots.length, Math.floor(this.#threads / threads)));
  }

  /** Frees a model in every engine, behind what runs there. */
  async unload(key: string): Promise<void> {
    const unloads = this.#slots.map(({ engine }) => engine?.unload(key));
    // An engine that dies meanwhile has forgotten the model too.
    await Promise.allSettled(unloads);
  }

  report(): readonly EngineReport[] {
    return this.#slots.map(({ index, engine, ready, threads, restarts }) => ({
      index,
      pid: engine?.pid,
      state: ready ? (threads > 0 ? 'busy' : 'idle') : 'starting',
      rss: engine?.rss ?? 0,
      restarts,
      models: engine?.loaded ?? [],
    }));
  }

  /** Takes no more, lets the lent engines finish, ends them all; after `graceMs` by SIGKILL. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#rejectWaiting(shuttingDown());
    const deadline = Date.now() + graceMs;
    await this.#allReturned(graceMs);
    const left = Math.max(0, deadline - Date.now());
    await Promise.all(
      this.#slots.map(({ engine, restart }) => {
        clearTimeout(restart);
        return engine?.end(left);
      }),
    );
  }

  #start(slot: Slot): void {
    const engine = new EngineProcess(this.#niceness, this.#logger);
    slot.engine = engine;
    engine.ready.then(
      () => {
        slot.ready = true;
        this.#dispatch();
      },
      () => undefined,
    );
    void engine.exited.then((why) => this.#onExit(slot, why));
  }

  #onExit(slot: Slot, why: string): void {
    const { pid } = slot.engine ?? {};
    slot.engine = undefined;
    slot.ready = false;
    if (this.#closing) return;
    // At once the first time, since most ends are accidents; ever later when it keeps happening.
    const delay = slot.failures === 0 ? 0 : Math.min(LONGEST_BACKOFF_MS, 100 * 2 ** (slot.failures - 1));
    slot.failures += 1;
    slot.restarts += 1;
    this.#logger.error({ engine: slot.index, pid, delay }, `an engine ${why}; it is started again`);
    slot.restart = setTimeout(() => this.#start(slot), delay);
    if (this.#slots.every(({ ready, failures }) => !ready && failures >= HOPELESS_STARTS)) {
      this.#rejectWaiting(new AppError('engine_lost', 'no engine stays up; the log says why', { retryAfter: 10 }));
    }
  }

  #dispatch(): void {
    for (const priority of PRIORITIES) {
      const queue = this.#waiting[priority];
      for (let waiter = queue[0]; waiter !== undefined; waiter = queue[0]) {
        const slot = this.#bestSlot(waiter.model);
        if (slot === undefined) return;
        queue.shift();
        waiter.resolve(this.#lend(slot, waiter.model));
      }
    }
  }

  /** A free engine, by preference one that holds the model; none while the model's threads are not free. */
  #bestSlot({ key, threads }: EngineModel): Slot | undefined {
    const inUse = this.#threadsInUse();
    if (inUse > 0 && inUse + threads > this.#threads) return undefined;
    const free = this.#slots.filter((slot) => slot.ready && slot.threads === 0);
    return free.find(({ engine }) => engine?.loaded.some((model) => model.key === key)) ?? free[0];
  }

  #threadsInUse(): number {
    return this.#slots.reduce((sum, { threads }) => sum + threads, 0);
  }

  #lend(slot: Slot, model: EngineModel): EngineLease {
    slot.threads = model.threads;
    const { engine } = slot;
    let returned = false;
    return {
      run: async (pixels, outputs, classes) => {
        if (engine === undefined || returned) throw new Error('this engine has been returned');
        const answer = await engine.run(model, pixels, outputs, classes);
        slot.failures = 0;
        return answer;
      },
      release: () => {
        if (returned) return;
        returned = true;
        slot.threads = 0;
        if (this.#threadsInUse() === 0) this.#onAllReturned?.();
        this.#dispatch();
      },
    };
  }

  #allReturned(timeoutMs: number): Promise<void> {
    if (this.#threadsInUse() === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onAllReturned = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #rejectWaiting(error: AppError): void {
    for (const priority of PRIORITIES) {
      for (const { reject } of this.#waiting[priority].splice(0)) reject(error);
    }
  }
}

function shuttingDown(): AppError {
  return new AppError('shutting_down', 'the server is stopping and takes no more work');
}
