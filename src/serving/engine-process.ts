import { AppError, messageOf } from '../common/errors.ts';
import { DamagedFileError } from '../common/file-digest.ts';
import type { Logger } from '../common/logger.ts';
import type { PixelTensor } from '../common/tensor.ts';
import type { AnswerName, ExplainedClasses, Outputs } from '../runtime/session.ts';
import { EngineChannel, type EngineOptions } from './engine-channel.ts';
import type { EngineModel, LoadedModel } from './engine-messages.ts';
import { RunTimes } from './run-times.ts';

/** Share of the process's memory that unloaded models may leave behind; above it a new process is worth its start. */
const RETAINED_SHARE = 0.05;

/** A VGG-19 of 575 MB takes seconds; a slow disk or a busy machine takes many times that. */
const LOAD_LIMIT_MS = 300_000;
const UNLOAD_LIMIT_MS = 60_000;

/** A model that is loaded in the process, or being loaded. */
interface ProcessModel {
  readonly model: EngineModel;
  /** Resident memory of the process before the load. */
  readonly rssBefore: number;
  readonly loading: Promise<LoadedModel>;
  loaded: LoadedModel | undefined;
}

/** A process that holds models and runs batches, and the models it holds. */
export class EngineProcess {
  readonly #channel: EngineChannel;
  readonly #logger: Logger;
  readonly #models = new Map<string, ProcessModel>();
  readonly #runTimes = new RunTimes();
  /** Bytes that unloaded models have left behind. */
  #retained = 0;

  constructor(logger: Logger, options?: EngineOptions) {
    this.#logger = logger;
    this.#channel = new EngineChannel(logger, options);
  }

  get pid(): number | undefined {
    return this.#channel.pid;
  }

  /** Settles when the process takes requests; rejects when it ends before that. */
  get ready(): Promise<void> {
    return this.#channel.ready;
  }

  /** Settles when the process is gone, with what happened to it, such as "exited with code 1". */
  get exited(): Promise<string> {
    return this.#channel.exited;
  }

  /** Whether the process has missed some heartbeats: it may be hung. */
  get silent(): boolean {
    return this.#channel.silent;
  }

  /** Whether the process was killed because it was hung. */
  get hung(): boolean {
    return this.#channel.hung;
  }

  /** Resident memory in bytes when the process last answered; 0 before that. */
  get rss(): number {
    return this.#channel.rss;
  }

  /** The models that are ready to run. */
  get loaded(): readonly LoadedModel[] {
    return [...this.#models.values()].flatMap(({ loaded }) => loaded ?? []);
  }

  /** The models that are loaded or being loaded. */
  get models(): readonly EngineModel[] {
    return [...this.#models.values()].map(({ model }) => model);
  }

  /** Whether a model is loaded or being loaded. */
  holds(key: string): boolean {
    return this.#models.has(key);
  }

  /**
   * Runs a batch, and loads the model first if it is not loaded.
   * @returns the outputs, and the CPU time of the run over all threads in milliseconds
   * @throws AppError `engine_lost` when the process ends first, `model_unavailable` with the reason; Error when the
   * pixels do not fit the model
   */
  async run(
    model: EngineModel,
    pixels: PixelTensor,
    outputs: readonly AnswerName[],
    classes?: ExplainedClasses,
  ): Promise<{ readonly outputs: Outputs; readonly cpuMs: number }> {
    await this.load(model);
    const { key } = model;
    // The first explanation loads the model for explanations: it has a time of its own.
    const kind = outputs.includes('explanation') ? `${key}/explanation` : key;
    const images = pixels.shape[0] ?? 1;
    const bound = { what: `a run of ${images} images`, limitMs: this.#runTimes.limit(kind, images) };
    const request = this.#channel.request({ type: 'run', key, pixels, outputs, classes }, bound);
    const { answer, ms } = await request.catch((thrown: unknown) => {
      throw thrown instanceof DamagedFileError ? unavailable(key, thrown) : thrown;
    });
    if (answer.type !== 'ran') throw new Error(`an engine answered run with ${answer.type}`);
    this.#runTimes.record(kind, images, ms);
    return answer;
  }

  /** Loads a model unless it is loaded. @throws AppError `engine_lost`, `model_unavailable` with the reason */
  async load(model: EngineModel): Promise<void> {
    const known = this.#models.get(model.key);
    if (known !== undefined) {
      await known.loading;
      return;
    }
    const loading = this.#load(model);
    const entry: ProcessModel = { model, rssBefore: this.rss, loading, loaded: undefined };
    this.#models.set(model.key, entry);
    try {
      entry.loaded = await loading;
    } catch (thrown) {
      if (this.#models.get(model.key) === entry) this.#models.delete(model.key);
      throw thrown;
    }
  }

  /**
   * Unloads models, after the runs that the process has already been sent.
   * @returns whether the process holds more memory than it needs now: only its end gives that back
   */
  async unload(keys: readonly string[]): Promise<boolean> {
    const entries = keys.flatMap((key) => this.#models.get(key) ?? []);
    if (entries.length === 0) return false;
    for (const { model } of entries) this.#models.delete(model.key);
    const bound = { what: 'unloading a model', limitMs: UNLOAD_LIMIT_MS };
    await Promise.all(entries.map(({ model: { key } }) => this.#channel.request({ type: 'unload', key }, bound)));
    const before = Math.min(...entries.map(({ rssBefore }) => rssBefore));
    this.#retained += Math.max(0, this.rss - before);
    return this.#models.size === 0 || this.#retained > RETAINED_SHARE * this.rss;
  }

  /** Ends the process: lets it exit by itself within `graceMs`, else kills it. */
  end(graceMs: number): Promise<void> {
    return this.#channel.end(graceMs);
  }

  /** Ends the process at once; its requests fail with `engine_lost`. */
  kill(): void {
    this.#channel.kill();
  }

  async #load(model: EngineModel): Promise<LoadedModel> {
    const bound = { what: `loading model ${model.key}`, limitMs: LOAD_LIMIT_MS };
    try {
      const { answer } = await this.#channel.request({ type: 'load', model }, bound);
      if (answer.type !== 'loaded') throw new Error(`an engine answered load with ${answer.type}`);
      this.#logger.info({ pid: this.pid, ...answer.model }, 'model loaded');
      return answer.model;
    } catch (thrown) {
      throw thrown instanceof AppError ? thrown : unavailable(model.key, thrown);
    }
  }
}

/** Whether an engine could not load a model because one of its files is missing or damaged. */
export function isDamage(thrown: unknown): boolean {
  return thrown instanceof AppError && thrown.cause instanceof DamagedFileError;
}

function unavailable(key: string, thrown: unknown): AppError {
  return new AppError('model_unavailable', `model ${key} could not be loaded: ${messageOf(thrown)}`, { cause: thrown });
}
