import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { compiledEntry } from '../common/compiled.ts';
import { AppError } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { PixelTensor } from '../common/tensor.ts';
import type { AnswerName, ExplainedClasses, Outputs } from '../runtime/session.ts';
import type { EngineModel, EngineReply, EngineRequest, LoadedModel } from './engine-messages.ts';

/** Share of the process's memory that models may leave behind when they are unloaded; more is worth a new process. */
const RETAINED_SHARE = 0.05;

/** A request without its id: the part its sender knows. */
type Body<T> = T extends { readonly id: number } ? Omit<T, 'id'> : never;
type Answer = Exclude<EngineReply, { type: 'ready' | 'failed' }>;

/** A model that is here, or on its way. */
interface Residence {
  readonly model: EngineModel;
  /** Resident memory of the process before it came. */
  readonly rssBefore: number;
  readonly loading: Promise<LoadedModel>;
  loaded: LoadedModel | undefined;
}

interface Pending {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * glibc keeps what is freed for the next who asks, and ever larger blocks the longer a process runs; above this size it is
 * told to give each block back at once. Half of what loading a ResNet-50 takes at its peak comes from that alone, and 500 MB
 * of it would stay behind. Other C libraries ignore it.
 */
const LARGE_BLOCK_BYTES = 128 * 1024;

/** One child process that holds sessions. Lives until `end`, or until it dies; it does not come back. */
export class EngineProcess {
  readonly pid: number | undefined;
  /** Settles when the process takes requests; rejects when it ends before that. */
  readonly ready: Promise<void>;
  /** Settles when the process is gone, with how it went. */
  readonly exited: Promise<string>;

  readonly #child: ChildProcess;
  readonly #logger: Logger;
  readonly #pending = new Map<number, Pending>();
  readonly #models = new Map<string, Residence>();
  #nextId = 0;
  #rss = 0;
  /** Memory that models have left behind. */
  #retained = 0;
  #gone = false;

  /** @param niceness added to the process's scheduling priority, 0 (as the server) to 19 (only idle time). */
  constructor(niceness: number, logger: Logger) {
    this.#logger = logger;
    this.#child = fork(compiledEntry(import.meta.url, 'engine-child.js'), [String(niceness)], {
      serialization: 'advanced',
      // Flags of this process, such as a debugger's port, are not for its children.
      execArgv: [],
      env: { ...process.env, MALLOC_MMAP_THRESHOLD_: String(LARGE_BLOCK_BYTES) },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.pid = this.#child.pid;
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream) createInterface(stream).on('line', (line) => logger.warn({ pid: this.pid }, line));
    }
    this.exited = new Promise((resolve) => {
      this.#child.on('error', (error) => resolve(`could not be reached: ${error.message}`));
      this.#child.on('exit', (code, signal) => resolve(signal ? `was ended by ${signal}` : `exited with code ${code}`));
    });
    this.ready = new Promise((resolve, reject) => {
      this.#child.on('message', (reply: EngineReply) => {
        this.#rss = reply.rss;
        if (reply.type === 'ready') resolve();
        else this.#settle(reply);
      });
      void this.exited.then((why) => {
        this.#gone = true;
        reject(lost(why));
        for (const pending of this.#pending.values()) pending.reject(lost(why));
        this.#pending.clear();
      });
    });
    // Whoever does not await readiness must not turn an early end into an unhandled rejection.
    this.ready.catch(() => undefined);
  }

  /** Resident memory in bytes when it last answered. */
  get rss(): number {
    return this.#rss;
  }

  /** The models that are ready to run here. */
  get loaded(): readonly LoadedModel[] {
    return [...this.#models.values()].flatMap(({ loaded }) => loaded ?? []);
  }

  /** The models that are here or on their way. */
  get models(): readonly EngineModel[] {
    return [...this.#models.values()].map(({ model }) => model);
  }

  holds(key: string): boolean {
    return this.#models.has(key);
  }

  /**
   * Runs a batch; loads the model before that if it is not here yet.
   * @throws AppError engine_lost when the process ends first, model_unavailable with the reason; Error when the pixels do
   * not fit the model.
   */
  async run(
    model: EngineModel,
    pixels: PixelTensor,
    outputs: readonly AnswerName[],
    classes?: ExplainedClasses,
  ): Promise<Outputs> {
    await this.load(model);
    const answer = await this.#request({ type: 'run', key: model.key, pixels, outputs, classes });
    if (answer.type !== 'ran') throw new Error(`an engine answered run with ${answer.type}`);
    return answer.outputs;
  }

  /** Loads a model unless it is here already. @throws AppError engine_lost, model_unavailable with the reason */
  async load(model: EngineModel): Promise<void> {
    const known = this.#models.get(model.key);
    if (known !== undefined) {
      await known.loading;
      return;
    }
    const loading = this.#load(model);
    const residence: Residence = { model, rssBefore: this.#rss, loading, loaded: undefined };
    this.#models.set(model.key, residence);
    try {
      residence.loaded = await loading;
    } catch (thrown) {
      if (this.#models.get(model.key) === residence) this.#models.delete(model.key);
      throw thrown;
    }
  }

  /**
   * Forgets models and frees what they held, behind what runs here.
   * @returns whether the process holds more memory than it needs now: it gives that back by ending
   */
  async unload(keys: readonly string[]): Promise<boolean> {
    const residences = keys.flatMap((key) => this.#models.get(key) ?? []);
    if (residences.length === 0) return false;
    for (const { model } of residences) this.#models.delete(model.key);
    await Promise.all(residences.map(({ model: { key } }) => this.#request({ type: 'unload', key })));
    const before = Math.min(...residences.map(({ rssBefore }) => rssBefore));
    this.#retained += Math.max(0, this.#rss - before);
    return this.#models.size === 0 || this.#retained > RETAINED_SHARE * this.#rss;
  }

  /** Ends the process: by itself if it does so within `graceMs`, by SIGKILL if not. */
  async end(graceMs: number): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const deadline = setTimeout(() => this.kill(), graceMs);
    await this.exited;
    clearTimeout(deadline);
  }

  /** Ends the process at once; what it was doing fails with engine_lost. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #load(model: EngineModel): Promise<LoadedModel> {
    try {
      const answer = await this.#request({ type: 'load', model });
      if (answer.type !== 'loaded') throw new Error(`an engine answered load with ${answer.type}`);
      this.#logger.info({ pid: this.pid, ...answer.model }, 'model loaded');
      return answer.model;
    } catch (error) {
      if (error instanceof AppError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new AppError('model_unavailable', `model ${model.key} could not be loaded: ${reason}`, { cause: error });
    }
  }

  #request(body: Body<EngineRequest>): Promise<Answer> {
    if (this.#gone) return Promise.reject(lost('is gone'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#child.send({ ...body, id }, (error) => {
        if (error && this.#pending.delete(id)) reject(lost(`could not be reached: ${error.message}`));
      });
    });
  }

  #settle(reply: Exclude<EngineReply, { type: 'ready' }>): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.type === 'failed') pending?.reject(new Error(reply.reason));
    else pending?.resolve(reply);
  }
}

function lost(why: string): AppError {
  return new AppError('engine_lost', `the engine ${why} before it had answered; try again`, { retryAfter: 1 });
}
