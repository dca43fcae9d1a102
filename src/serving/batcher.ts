import { AppError } from '../common/errors.ts';
import { elementCount, type PixelTensor } from '../common/tensor.ts';
import type { AnswerName, ExplainedClasses, Outputs } from '../runtime/session.ts';
import { PRIORITIES, type Priority } from './priority.ts';
import { Throughput } from './throughput.ts';

/** What a batcher runs its batches on: engines that already know which model is meant. */
export interface Engines {
  /** How many batches can run side by side. */
  readonly size: number;
  /** Waits for a free one. */
  acquire(priority: Priority): Promise<LentEngine>;
}

/** An engine, held until `release`. */
export interface LentEngine {
  run(pixels: PixelTensor, outputs: readonly AnswerName[], classes?: ExplainedClasses): Promise<Outputs>;
  release(): void;
}

export interface BatcherOptions {
  readonly engines: Engines;
  /** `[height, width, 3]` of one image. */
  readonly imageShape: readonly number[];
  /** Images in one run of the model, at least 1. */
  readonly maxBatchSize: number;
  /** Images that may wait; one more is refused with `queue_full`. */
  readonly queueLimit: number;
  /** How long a free engine is left idle for a batch to fill. 0, the default, never makes anyone wait. */
  readonly maxDelayMs?: number;
  /** Called once for every batch that was answered. */
  readonly onBatch?: (batch: BatchTimings) => void;
}

/** How a batch was served. `queueMs` is that of its oldest image. */
export interface BatchTimings {
  readonly batchSize: number;
  readonly queueMs: number;
  readonly inferenceMs: number;
}

/** The values of one image: its row of each output, flat. */
export type OutputRows = Readonly<Partial<Record<AnswerName, Float32Array>>>;

/** The answer for one image. */
export interface BatchResult extends BatchTimings {
  readonly outputs: OutputRows;
}

/** How one image is to be served. */
export interface BatchItem {
  readonly priority: Priority;
  readonly outputs: readonly AnswerName[];
  /** The class that `explanation` is about; the most probable one when absent. */
  readonly explainedClass?: number | undefined;
  /** Takes the image out of the queue; once its batch runs it has no effect. */
  readonly signal?: AbortSignal | undefined;
}

interface Item {
  readonly pixels: Uint8Array;
  readonly outputs: readonly AnswerName[];
  readonly explainedClass: number | undefined;
  readonly queuedAt: number;
  readonly resolve: (answer: BatchResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Collects single images into batches for one model on one runtime. An engine that comes free takes what waits: one
 * image on an idle server, many on a loaded one. A batch holds images of one priority only, so that a person never
 * waits for bulk work that rides along, and of one set of outputs, so that nobody waits for what another asked for.
 */
export class Batcher {
  readonly #options: BatcherOptions;
  readonly #throughput = new Throughput();
  readonly #waiting: Readonly<Record<Priority, Set<Item>>> = {
    interactive: new Set(),
    bulk: new Set(),
    training: new Set(),
  };
  /** Priorities at which an engine has been asked for and has not come yet. */
  readonly #asked = new Set<Priority>();
  readonly #onFull: Partial<Record<Priority, () => void>> = {};
  #running = 0;
  #closing = false;
  readonly #onIdle: (() => void)[] = [];

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /** Images that wait for an engine. */
  get queued(): number {
    return PRIORITIES.reduce((sum, priority) => sum + this.#waiting[priority].size, 0);
  }

  /** Images in batches that run now. */
  get running(): number {
    return this.#running;
  }

  /**
   * @param pixels one image, as long as `imageShape` says.
   * @throws AppError queue_full (with the seconds after which the queue should be served), shutting_down; whatever the
   * engine throws for the batch; the signal's reason.
   */
  submit(pixels: Uint8Array, { priority, outputs, explainedClass, signal }: BatchItem): Promise<BatchResult> {
    const refusal = this.#refusal(pixels, signal);
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const drop = (): void => {
        if (this.#waiting[priority].delete(item)) item.reject(signal?.reason);
        this.#settleIdle();
      };
      const item: Item = {
        pixels,
        outputs,
        explainedClass,
        queuedAt: performance.now(),
        resolve: (answer) => {
          signal?.removeEventListener('abort', drop);
          resolve(answer);
        },
        reject: (error) => {
          signal?.removeEventListener('abort', drop);
          reject(error);
        },
      };
      signal?.addEventListener('abort', drop, { once: true });
      this.#waiting[priority].add(item);
      if (this.#waiting[priority].size >= this.#options.maxBatchSize) this.#onFull[priority]?.();
      this.#ask(priority);
    });
  }

  /** Refuses new images and settles when those already taken are answered. */
  close(): Promise<void> {
    this.#closing = true;
    for (const priority of PRIORITIES) this.#onFull[priority]?.();
    return new Promise((resolve) => {
      this.#onIdle.push(resolve);
      this.#settleIdle();
    });
  }

  #refusal(pixels: Uint8Array, signal: AbortSignal | undefined): unknown {
    const { queueLimit, imageShape } = this.#options;
    if (signal?.aborted) return signal.reason;
    if (this.#closing) return new AppError('shutting_down', 'the model is being taken out of service; try again');
    if (pixels.length !== elementCount(imageShape)) {
      return new Error(`${pixels.length} pixel values are not one image of [${imageShape.join(', ')}]`);
    }
    if (this.queued < queueLimit) return undefined;
    const retryAfter = this.#throughput.secondsFor(this.queued + this.#running);
    const detail = `${this.queued} images wait already, as many as may; try again in ${retryAfter} s`;
    return new AppError('queue_full', detail, { retryAfter, context: { limit: queueLimit } });
  }

  #ask(priority: Priority): void {
    if (this.#asked.has(priority) || this.#waiting[priority].size === 0) return;
    this.#asked.add(priority);
    void this.#serve(priority);
  }

  async #serve(priority: Priority): Promise<void> {
    await this.#fill(priority);
    let engine: LentEngine;
    try {
      engine = await this.#options.engines.acquire(priority);
    } catch (error) {
      this.#asked.delete(priority);
      for (const item of this.#waiting[priority]) item.reject(error);
      this.#waiting[priority].clear();
      this.#settleIdle();
      return;
    }
    this.#asked.delete(priority);
    // Something more urgent may have come since; it asked for an engine too, and that one will serve these.
    const urgent = PRIORITIES.find((candidate) => this.#waiting[candidate].size > 0);
    const batch = urgent === undefined ? [] : this.#take(urgent);
    for (const candidate of PRIORITIES) this.#ask(candidate);
    if (batch.length > 0) await this.#run(engine, batch);
    engine.release();
    this.#settleIdle();
  }

  /** Gives a batch `maxDelayMs` to fill. */
  async #fill(priority: Priority): Promise<void> {
    const { maxDelayMs = 0, maxBatchSize } = this.#options;
    if (maxDelayMs === 0 || this.#closing || this.#waiting[priority].size >= maxBatchSize) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, maxDelayMs);
      this.#onFull[priority] = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    delete this.#onFull[priority];
  }

  /** The oldest images of one priority: an engine's share of what waits, so that none idles while another has all. */
  #take(priority: Priority): Item[] {
    const { engines, maxBatchSize } = this.#options;
    const waiting = this.#waiting[priority];
    const share = Math.min(maxBatchSize, Math.ceil(waiting.size / engines.size));
    const batch: Item[] = [];
    for (const item of waiting) {
      if (batch.length === share) break;
      if (batch[0] === undefined || sameOutputs(batch[0], item)) batch.push(item);
    }
    for (const item of batch) waiting.delete(item);
    return batch;
  }

  async #run(engine: LentEngine, batch: readonly Item[]): Promise<void> {
    const startedAt = performance.now();
    this.#running += batch.length;
    try {
      const wanted = batch[0]?.outputs ?? [];
      const classes = wanted.includes('explanation') ? batch.map((item) => item.explainedClass) : undefined;
      const outputs = await engine.run(this.#join(batch), wanted, classes);
      const inferenceMs = performance.now() - startedAt;
      this.#throughput.record(batch.length);
      for (const [row, item] of batch.entries()) {
        const timings = { batchSize: batch.length, queueMs: startedAt - item.queuedAt, inferenceMs };
        if (row === 0) this.#options.onBatch?.(timings);
        this.#answer(item, timings, outputs, row);
      }
    } catch (error) {
      for (const item of batch) item.reject(error);
    } finally {
      this.#running -= batch.length;
    }
  }

  /** Settles one image of a batch: values that are not finite fail this image only. */
  #answer(item: Item, timings: BatchTimings, outputs: Outputs, row: number): void {
    try {
      item.resolve({ ...timings, outputs: rowOf(outputs, row, item.outputs) });
    } catch (thrown) {
      item.reject(thrown);
    }
  }

  #join(batch: readonly Item[]): PixelTensor {
    const { imageShape } = this.#options;
    const length = elementCount(imageShape);
    const data = new Uint8Array(batch.length * length);
    for (const [row, { pixels }] of batch.entries()) data.set(pixels, row * length);
    return { data, shape: [batch.length, ...imageShape] };
  }

  #settleIdle(): void {
    if (this.#closing && this.queued === 0 && this.#running === 0) {
      for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }
}

/** One row of a batch's outputs, as views: they keep the batch's memory alive. */
function rowOf(outputs: Outputs, row: number, names: readonly AnswerName[]): OutputRows {
  return Object.fromEntries(
    names.map((name) => {
      const tensor = outputs[name];
      if (tensor === undefined) throw new Error(`the engine did not answer with ${name}`);
      const length = tensor.data.length / (tensor.shape[0] ?? 1);
      const values = tensor.data.subarray(row * length, (row + 1) * length);
      if (!values.every(Number.isFinite)) throw notFinite(name);
      return [name, values];
    }),
  );
}

function notFinite(name: AnswerName): AppError {
  return new AppError(
    'internal',
    `the model computed ${name} with values that are not finite (NaN or infinity): its weights may be damaged or not fit ` +
      'the image; other models are not affected',
  );
}

function sameOutputs(a: Item, b: Item): boolean {
  return a.outputs.length === b.outputs.length && a.outputs.every((name, index) => name === b.outputs[index]);
}
