import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { compiledEntry } from '../compiled.ts';
import { AppError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { AnswerName, ExplainedClasses, Outputs } from '../runtime/session.ts';
import type { PixelTensor } from '../tensor.ts';
import type { EngineModel, EngineReply, EngineRequest, LoadedModel } from './messages.ts';

/** A request without its id: the part its sender knows. */
type Body<T> = T extends { readonly id: number } ? Omit<T, 'id'> : never;
type Answer = Exclude<EngineReply, { type: 'ready' | 'failed' }>;

interface Pending {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

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
  readonly #models = new Map<string, Promise<LoadedModel>>();
  readonly #loaded = new Map<string, LoadedModel>();
  #nextId = 0;
  #rss = 0;
  #gone = false;

  /** @param niceness added to the process's scheduling priority, 0 (as the server) to 19 (only idle time). */
  constructor(niceness: number, logger: Logger) {
    this.#logger = logger;
    this.#child = fork(compiledEntry(import.meta.url, 'child.js'), [String(niceness)], {
      serialization: 'advanced',
      // Flags of this process, such as a debugger's port, are not for its children.
      execArgv: [],
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
    return [...this.#loaded.values()];
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
    await this.#loadOnce(model);
    const answer = await this.#request({ type: 'run', key: model.key, pixels, outputs, classes });
    if (answer.type !== 'ran') throw new Error(`an engine answered run with ${answer.type}`);
    return answer.outputs;
  }

  /** Forgets a model and frees what it held. */
  async unload(key: string): Promise<void> {
    if (!this.#models.delete(key)) return;
    this.#loaded.delete(key);
    await this.#request({ type: 'unload', key });
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

  #loadOnce(model: EngineModel): Promise<LoadedModel> {
    const known = this.#models.get(model.key);
    if (known !== undefined) return known;
    const loading = this.#load(model);
    this.#models.set(model.key, loading);
    return loading;
  }

  async #load(model: EngineModel): Promise<LoadedModel> {
    try {
      const answer = await this.#request({ type: 'load', model });
      if (answer.type !== 'loaded') throw new Error(`an engine answered load with ${answer.type}`);
      this.#logger.info({ pid: this.pid, ...answer.model }, 'model loaded');
      if (this.#models.has(model.key)) this.#loaded.set(model.key, answer.model);
      return answer.model;
    } catch (error) {
      this.#models.delete(model.key);
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
