import { availableParallelism } from 'node:os';
import { AppError } from '../common/errors.ts';
import type { EngineModel } from './engine-messages.ts';
import { type EngineLease, type EngineReport, EngineSlot, type EngineSlotOptions } from './engine-slot.ts';
import { PRIORITIES, type Priority } from './priority.ts';

export interface EnginePoolOptions extends Pick<EngineSlotOptions, 'logger'> {
  /** Number of processes; `engineCount` says how many suit the machine. */
  readonly size: number;
  /** Threads that may compute at once, over all processes: the cores that engines may have. */
  readonly threads: number;
  /** Called when an engine was lost, for metrics. */
  readonly onLost?: EngineSlotOptions['onLost'];
}

interface Waiter {
  readonly model: EngineModel;
  readonly resolve: (lease: EngineLease) => void;
  readonly reject: (error: AppError) => void;
}

/**
 * The number of engines that suits this machine when `threads` threads compute a model: as many as its cores can run
 * side by side, and at least two on two cores. The second one serves while the first is started again.
 */
export function engineCount(threads: number): number {
  const cores = availableParallelism();
  return Math.max(Math.min(cores, 2), Math.floor(cores / threads));
}

/**
 * A fixed number of engine processes. Each is lent to one caller at a time, as long as there are threads for the
 * models that run. Callers wait in the order of their priority, then of their arrival. An engine that is lost fails
 * its own batch only, and is started again.
 */
export class EnginePool {
  readonly #threads: number;
  readonly #slots: EngineSlot[] = [];
  readonly #waiting: Readonly<Record<Priority, Waiter[]>> = { interactive: [], bulk: [], training: [] };
  #closing = false;
  #onAllReturned: (() => void) | undefined;

  constructor({ size, threads, logger, onLost }: EnginePoolOptions) {
    this.#threads = threads;
    const options = {
      logger,
      onFree: () => this.#onFree(),
      onLost: (loss: Parameters<EngineSlotOptions['onLost']>[0]) => {
        onLost?.(loss);
        this.#rejectIfHopeless();
      },
    };
    for (let index = 0; index < size; index += 1) this.#slots.push(new EngineSlot({ ...options, index }));
  }

  /**
   * Waits for a free engine; one that holds the model is preferred.
   * @throws AppError `shutting_down`; `engine_lost` when no engine stays up
   */
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

  /** Why no batch can run now; undefined as long as one engine is up. */
  get obstacle(): string | undefined {
    return this.#slots.some(({ isReady }) => isReady) ? undefined : 'no engine is running; they are being started';
  }

  /** What is wrong with the engines, for health checks. */
  get warnings(): string[] {
    const size = this.#slots.length;
    const lost = this.#slots.filter(({ isReady, restarts }) => !isReady && restarts > 0).length;
    const silent = this.#slots.filter(({ isSilent }) => isSilent).length;
    return [
      ...(lost > 0 ? [`Engines that were lost and are being started again: ${lost} of ${size}.`] : []),
      ...(silent > 0 ? [`Engines that do not respond: ${silent} of ${size}.`] : []),
    ];
  }

  /** The number of batches of a model that can run at once, at least one. */
  concurrency({ threads, engines = this.#slots.length }: EngineModel): number {
    return Math.max(1, Math.min(this.#slots.length, engines, Math.floor(this.#threads / threads)));
  }

  /**
   * Unloads models from all engines, after the runs that these have been sent. Memory that they keep is given back
   * too.
   */
  async unload(keys: readonly string[]): Promise<void> {
    // An engine that is lost meanwhile has lost its models too.
    await Promise.allSettled(this.#slots.map((slot) => slot.unload(keys)));
  }

  report(): readonly EngineReport[] {
    return this.#slots.map((slot) => slot.report());
  }

  /** Lends no more engines, waits up to `graceMs` for those that are lent, and ends all processes. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#rejectWaiting(shuttingDown());
    const deadline = Date.now() + graceMs;
    await this.#allReturned(graceMs);
    const left = Math.max(0, deadline - Date.now());
    await Promise.all(this.#slots.map((slot) => slot.end(left)));
  }

  #onFree(): void {
    if (this.#threadsInUse() === 0) this.#onAllReturned?.();
    this.#dispatch();
  }

  #dispatch(): void {
    for (const priority of PRIORITIES) {
      for (const waiter of [...this.#waiting[priority]]) {
        if (!this.#hasThreads(waiter.model)) return;
        const slot = this.#bestSlot(waiter.model);
        // No engine is free, or none that may hold this model: a later waiter's model may be another one.
        if (slot === undefined) continue;
        this.#waiting[priority].splice(this.#waiting[priority].indexOf(waiter), 1);
        waiter.resolve(slot.lend(waiter.model));
      }
    }
  }

  /** A model that needs more threads than there are runs alone. */
  #hasThreads({ threads }: EngineModel): boolean {
    const inUse = this.#threadsInUse();
    return inUse === 0 || inUse + threads <= this.#threads;
  }

  /**
   * A free engine that holds the model; else any free engine, unless as many as may hold the model do so already.
   * Engines that may be hung come last.
   */
  #bestSlot({ key, engines = this.#slots.length }: EngineModel): EngineSlot | undefined {
    const holders = this.#slots.filter((slot) => slot.holds(key));
    const allowed = holders.length < engines ? [...holders, ...this.#slots] : holders;
    const free = allowed.filter(({ isFree }) => isFree);
    return free.find(({ isSilent }) => !isSilent) ?? free[0];
  }

  #threadsInUse(): number {
    return this.#slots.reduce((sum, { threadsInUse }) => sum + threadsInUse, 0);
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

  #rejectIfHopeless(): void {
    if (!this.#slots.every(({ isHopeless }) => isHopeless)) return;
    this.#rejectWaiting(new AppError('engine_lost', 'no engine stays up; the log says why', { retryAfter: 10 }));
  }

  #rejectWaiting(error: AppError): void {
    for (const priority of PRIORITIES) {
      for (const { reject } of this.#waiting[priority].splice(0)) reject(error);
    }
  }
}

function shuttingDown(): AppError {
  return new AppError('shutting_down', 'the server is shutting down and takes no more requests');
}
