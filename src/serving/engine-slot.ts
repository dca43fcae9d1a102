import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { PixelTensor } from '../common/tensor.ts';
import type { AnswerName, ExplainedClasses, Outputs } from '../runtime/session.ts';
import type { EngineModel, LoadedModel } from './engine-messages.ts';
import { EngineProcess } from './engine-process.ts';

/** Losses in a row without an answer in between, after which an engine counts as one that does not stay up. */
const HOPELESS_LOSSES = 5;
const LONGEST_BACKOFF_MS = 10_000;
/** Time for a replaced process to end by itself. */
const END_GRACE_MS = 1_000;

/** An engine, held by one caller until `release`. */
export interface EngineLease {
  /** Threads of the session that runs the batches. */
  readonly threads: number;
  /** CPU time that the last run took in the engine, in milliseconds; 0 before the first answer. */
  readonly cpuMs: number;
  /** Runs a batch; loads the model first if the engine does not hold it. @throws see `EngineProcess.run` */
  run(pixels: PixelTensor, outputs: readonly AnswerName[], classes?: ExplainedClasses): Promise<Outputs>;
  release(): void;
}

/** The state of one engine. */
export interface EngineReport {
  readonly index: number;
  readonly pid: number | undefined;
  readonly state: 'starting' | 'idle' | 'busy';
  /** Whether it has missed some heartbeats: it may be hung. */
  readonly silent: boolean;
  /** Resident memory in bytes when the engine last answered; 0 before that. */
  readonly rss: number;
  /** How often the engine was lost and started again. */
  readonly restarts: number;
  readonly models: readonly LoadedModel[];
}

/** Why an engine was lost: it exited or crashed by itself, or it was killed because it was hung. */
export type EngineLoss = 'exited' | 'hung';

export interface EngineSlotOptions {
  readonly index: number;
  readonly logger: Logger;
  /** Called when the engine can be lent (again). */
  readonly onFree: () => void;
  readonly onLost: (loss: EngineLoss) => void;
}

/**
 * One engine of the pool: a process that is started again whenever it is lost, and replaced when it holds on to
 * memory that it does not need.
 */
export class EngineSlot {
  readonly #options: EngineSlotOptions;
  #engine: EngineProcess | undefined;
  #ready = false;
  #lentFor: EngineModel | undefined;
  /** A fresh process that takes over when the engine is free. */
  #successor: EngineProcess | undefined;
  /** Called when the engine is returned, before it is lent again. */
  #onReturn: (() => void) | undefined;
  #restarts = 0;
  /** Losses since the last run that was answered. */
  #losses = 0;
  #restart: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(options: EngineSlotOptions) {
    this.#options = options;
    this.#start();
  }

  get isFree(): boolean {
    return this.#ready && this.#lentFor === undefined;
  }

  /** Whether the process may be hung. */
  get isSilent(): boolean {
    return this.#engine?.silent ?? false;
  }

  /** Whether the process takes requests. */
  get isReady(): boolean {
    return this.#ready;
  }

  /** How often the process was lost and started again. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Whether the process does not stay up. */
  get isHopeless(): boolean {
    return !this.#ready && this.#losses >= HOPELESS_LOSSES;
  }

  /** Threads of the model that the engine is lent for; 0 when it is free. */
  get threadsInUse(): number {
    return this.#lentFor?.threads ?? 0;
  }

  /** Whether a model is loaded, being loaded, or what the engine is lent for. */
  holds(key: string): boolean {
    return this.#engine?.holds(key) || this.#lentFor?.key === key;
  }

  report(): EngineReport {
    const { index } = this.#options;
    return {
      index,
      pid: this.#engine?.pid,
      state: this.#ready ? (this.#lentFor === undefined ? 'idle' : 'busy') : 'starting',
      silent: this.isSilent,
      rss: this.#engine?.rss ?? 0,
      restarts: this.#restarts,
      models: this.#engine?.loaded ?? [],
    };
  }

  /** Lends the engine, which must be free. */
  lend(model: EngineModel): EngineLease {
    this.#lentFor = model;
    const engine = this.#engine;
    let returned = false;
    let cpuMs = 0;
    return {
      threads: model.threads,
      get cpuMs() {
        return cpuMs;
      },
      run: async (pixels, outputs, classes) => {
        if (engine === undefined || returned) throw new Error('this engine has been returned');
        const answer = await engine.run(model, pixels, outputs, classes);
        this.#losses = 0;
        cpuMs = answer.cpuMs;
        return answer.outputs;
      },
      release: () => {
        if (returned) return;
        returned = true;
        this.#lentFor = undefined;
        this.#onReturn?.();
        this.#options.onFree();
      },
    };
  }

  /**
   * Unloads models, after the runs that the process has already been sent. A process that keeps the memory all the
   * same is replaced by a fresh one, which loads the other models and takes over between two batches.
   */
  async unload(keys: readonly string[]): Promise<void> {
    const engine = this.#engine;
    // The successor loads what the engine holds: it may have begun with these models already.
    const [isWasteful] = await Promise.all([engine?.unload(keys), this.#successor?.unload(keys)]);
    if (isWasteful && this.#engine === engine) await this.#replace();
  }

  /** Ends the process for good: lets it exit by itself within `graceMs`, else kills it. */
  async end(graceMs: number): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#restart);
    await Promise.all([this.#engine?.end(graceMs), this.#successor?.end(0)]);
  }

  #start(): void {
    try {
      const engine = new EngineProcess(this.#options.logger);
      this.#engine = engine;
      this.#watch(engine);
      engine.ready.then(
        () => {
          this.#ready = true;
          this.#options.onFree();
        },
        // `exited` says the same.
        () => undefined,
      );
    } catch (thrown) {
      // The system has no memory or no process for it now.
      this.#onLost(`could not be started: ${messageOf(thrown)}`, 'exited');
    }
  }

  #watch(engine: EngineProcess): void {
    void engine.exited.then((what) => {
      if (this.#engine === engine) this.#onLost(what, engine.hung ? 'hung' : 'exited');
    });
  }

  #onLost(what: string, loss: EngineLoss): void {
    const { index, logger, onLost } = this.#options;
    const pid = this.#engine?.pid;
    this.#engine = undefined;
    this.#ready = false;
    if (this.#closing) return;
    // At once the first time, since most losses are accidents; later and later when they go on.
    const delay = this.#losses === 0 ? 0 : Math.min(LONGEST_BACKOFF_MS, 100 * 2 ** (this.#losses - 1));
    this.#losses += 1;
    this.#restarts += 1;
    logger.error({ engine: index, pid, delay }, `an engine ${what}; it is started again`);
    this.#restart = setTimeout(() => this.#start(), delay);
    onLost(loss);
  }

  /** Starts a fresh process in place of a sound one, which serves until the new one has taken over. */
  async #replace(): Promise<void> {
    const old = this.#engine;
    if (this.#closing || old === undefined || this.#successor !== undefined) return;
    const { index, logger, onFree } = this.#options;
    const successor = new EngineProcess(logger);
    this.#successor = successor;
    try {
      await successor.ready;
      for (const model of old.models) if (old.holds(model.key)) await successor.load(model);
      if (this.#lentFor !== undefined) await this.#returned(() => this.#takeOver(old, successor));
      else this.#takeOver(old, successor);
    } catch (thrown) {
      logger.warn({ engine: index, reason: messageOf(thrown) }, 'an engine could not be replaced');
    }
    this.#successor = undefined;
    if (this.#engine !== successor) {
      await successor.end(0);
      return;
    }
    logger.info({ engine: index, pid: successor.pid }, 'an engine was replaced to give memory back');
    onFree();
    await old.end(END_GRACE_MS);
  }

  /** Does nothing when the old process was lost meanwhile: then another one has been started. */
  #takeOver(old: EngineProcess, successor: EngineProcess): void {
    if (this.#engine !== old || this.#closing) return;
    this.#engine = successor;
    this.#watch(successor);
  }

  /** Calls `callback` at the moment when the engine is returned, before it is lent again. */
  #returned(callback: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#onReturn = () => {
        this.#onReturn = undefined;
        callback();
        resolve();
      };
    });
  }
}
