import { availableParallelism } from 'node:os';
import { AppError, messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { PixelTensor } from '../common/tensor.ts';
import type { AnswerName, ExplainedClasses, Outputs } from '../runtime/session.ts';
import type { EngineModel, LoadedModel } from './engine-messages.ts';
import { EngineProcess } from './engine-process.ts';
import { PRIORITIES, type Priority } from './priority.ts';

/** An engine dies this often in a row, at once after its start, before waiting requests are told. */
const HOPELESS_STARTS = 5;
const LONGEST_BACKOFF_MS = 10_000;
/** Time for a process that was replaced, and has nothing left to do, to end by itself. */
const END_GRACE_MS = 1_000;

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
  /** What it is lent for; undefined when it is free. */
  lentFor: EngineModel | undefined;
  /** A fresh process that takes over as soon as the engine is free. */
  successor: EngineProcess | undefined;
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
  /** Told when the engine of a slot comes back. */
  readonly #onReturn = new Map<Slot, () => void>();

  constructor({ size, threads, niceness, logger }: EnginePoolOptions) {
    this.#threads = threads;
    this.#niceness = niceness;
    this.#logger = logger;
    this.#slots = Array.from({ length: size }, (_, index) => ({
      index,
      engine: undefined,
      ready: false,
      lentFor: undefined,
      successor: undefined,
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
  concurrency({ threads, engines = this.#slots.length }: EngineModel): number {
    return Math.max(1, Math.min(this.#slots.length, engines, Math.floor(this.#threads / threads)));
  }

  /**
   * Frees models in every engine, behind what runs there. An engine that keeps the memory all the same is replaced by a
   * fresh process, which loads what the old one held and takes over between two batches.
   */
  async unload(keys: readonly string[]): Promise<void> {
    const unloads = this.#slots.map(async (slot) => {
      const { engine } = slot;
      const wasteful = await engine?.unload(keys);
      if (wasteful && slot.engine === engine) await this.#replace(slot);
    });
    // An engine that dies meanwhile has forgotten the models too.
    await Promise.allSettled(unloads);
  }

  report(): readonly EngineReport[] {
    return this.#slots.map(({ index, engine, ready, lentFor, restarts }) => ({
      index,
      pid: engine?.pid,
      state: ready ? (lentFor === undefined ? 'idle' : 'busy') : 'starting',
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
      this.#slots.flatMap(({ engine, successor, restart }) => {
        clearTimeout(restart);
        return [engine?.end(left), successor?.end(0)];
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
    void engine.exited.then((why) => this.#onExit(slot, engine, why));
  }

  /** Puts a fresh process in the place of a sound one. The old one serves until the new one has taken over. */
  async #replace(slot: Slot): Promise<void> {
    if (this.#closing || slot.successor !== undefined) return;
    const successor = new EngineProcess(this.#niceness, this.#logger);
    slot.successor = successor;
    const old = slot.engine;
    let tookOver = false;
    const takeOver = (): void => {
      // Where the old one has died meanwhile, it has been started again, and one process is enough.
      tookOver = slot.engine === old && !this.#closing;
      if (tookOver) slot.engine = successor;
    };
    try {
      await successor.ready;
      for (const model of old?.models ?? []) await successor.load(model);
      if (slot.lentFor === undefined) takeOver();
      else await this.#onceReturned(slot, takeOver);
    } catch (thrown) {
      // The old process serves on.
      this.#logger.warn({ engine: slot.index, reason: messageOf(thrown) }, 'an engine could not be replaced');
    }
    slot.successor = undefined;
    if (!tookOver) {
      await successor.end(0);
      return;
    }
    void successor.exited.then((why) => this.#onExit(slot, successor, why));
    this.#logger.info({ engine: slot.index, pid: successor.pid }, 'an engine was replaced to give memory back');
    this.#dispatch();
    await old?.end(END_GRACE_MS);
  }

  /** Calls back at the very moment when the engine comes back, before it is lent again. */
  #onceReturned(slot: Slot, callback: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#onReturn.set(slot, () => {
        callback();
        resolve();
      });
    });
  }

  #onExit(slot: Slot, engine: EngineProcess, why: string): void {
    if (slot.engine !== engine) return;
    const { pid } = engine;
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
      for (const waiter of [...this.#waiting[priority]]) {
        if (!this.#hasThreads(waiter.model)) return;
        const slot = this.#bestSlot(waiter.model);
        // None is free, or none that may hold the model: then another may be of use to who waits behind.
        if (slot === undefined) continue;
        this.#waiting[priority].splice(this.#waiting[priority].indexOf(waiter), 1);
        waiter.resolve(this.#lend(slot, waiter.model));
      }
    }
  }

  /** A model that needs more threads than there are runs by itself. */
  #hasThreads({ threads }: EngineModel): boolean {
    const inUse = this.#threadsInUse();
    return inUse === 0 || inUse + threads <= this.#threads;
  }

  /** A free engine, by preference one that holds the model; only such a one where no further engine may hold it. */
  #bestSlot({ key, engines = this.#slots.length }: EngineModel): Slot | undefined {
    const holders = this.#slots.filter(({ engine, lentFor }) => engine?.holds(key) || lentFor?.key === key);
    const isFree = ({ ready, lentFor }: Slot): boolean => ready && lentFor === undefined;
    return holders.find(isFree) ?? (holders.length < engines ? this.#slots.find(isFree) : undefined);
  }

  #threadsInUse(): number {
    return this.#slots.reduce((sum, { lentFor }) => sum + (lentFor?.threads ?? 0), 0);
  }

  #lend(slot: Slot, model: EngineModel): EngineLease {
    slot.lentFor = model;
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
        slot.lentFor = undefined;
        const onReturn = this.#onReturn.get(slot);
        this.#onReturn.delete(slot);
        onReturn?.();
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
