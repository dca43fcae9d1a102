import { AppError } from '../common/errors.ts';
import { elementCount, type PixelTensor } from '../common/tensor.ts';
import type { AnswerName, Outputs } from '../runtime/session.ts';
import { type BatchItem, BatchQueue, type QueuedImage } from './batch-queue.ts';
import type { BatchSizing } from './batch-sizing.ts';
import type { EngineLease } from './engine-slot.ts';
import { PRIORITIES, type Priority } from './priority.ts';
import { Throughput } from './throughput.ts';

export interface BatcherOptions {
  /** The engines for the model. */
  readonly engines: {
    /** Waits for a free engine. */
    acquire(priority: Priority): Promise<EngineLease>;
  };
  /** Says how many images a batch takes, and learns from what it costs. */
  readonly sizing: Pick<BatchSizing, 'images' | 'record'>;
  /** `[height, width, 3]` of one image. */
  readonly imageShape: readonly number[];
  /** The most images in one run of the model, at least 1. */
  readonly maxBatchSize: number;
  /** The most images that may wait; further ones are refused with `queue_full`. */
  readonly queueLimit: number;
  /** How long a batch may wait to fill up, in milliseconds; 0 by default, so that nothing waits for company. */
  readonly maxDelayMs?: number;
  /** Called after each batch that was answered. */
  readonly onBatch?: (batch: BatchTimings) => void;
}

/** Timings of a batch. `queueMs` is the wait of one image; `onBatch` gets that of the oldest. */
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

/**
 * Collects single images into batches for one model on one runtime. A free engine takes of the images that wait: one
 * on an idle server, on a loaded one as many as `sizing` says. A batch has images of one priority only, so that interactive images do not
 * wait for bulk images in their batch, and of one set of outputs, so that no image waits for outputs that only others
 * want.
 *
 * A batch that fails is not tried again: it may be what hung or killed its engine, and a second try would take the
 * next one.
 */
export class Batcher {
  readonly #options: BatcherOptions;
  readonly #throughput = new Throughput();
  readonly #queue = new BatchQueue<BatchResult>();
  /** Priorities for which an engine has been asked for and has not come yet. */
  readonly #asked = new Set<Priority>();
  /** Ends the delay of a batch that is filling up. */
  readonly #endDelay: Partial<Record<Priority, () => void>> = {};
  #running = 0;
  #closing = false;
  readonly #onIdle: (() => void)[] = [];

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /** Images that wait for an engine. */
  get queued(): number {
    return this.#queue.size();
  }

  /** Images in running batches. */
  get running(): number {
    return this.#running;
  }

  /**
   * @param pixels one image of `imageShape`
   * @throws AppError `queue_full`, with the seconds after which the queue should have been served; `shutting_down`;
   * `internal` when the model computes values that are not finite; whatever the engine throws for the batch; the
   * signal's reason
   */
  submit(pixels: Uint8Array, item: BatchItem): Promise<BatchResult> {
    const refusal = this.#refusal(pixels, item.signal);
    if (refusal !== undefined) return Promise.reject(refusal);
    const { priority } = item;
    const result = this.#queue.add(pixels, item, () => this.#settleIdle());
    if (this.#queue.size(priority) >= this.#options.maxBatchSize) this.#endDelay[priority]?.();
    this.#ask(priority);
    return result;
  }

  /** Refuses new images and settles when those already accepted are answered. */
  close(): Promise<void> {
    this.#closing = true;
    for (const priority of PRIORITIES) this.#endDelay[priority]?.();
    return new Promise((resolve) => {
      this.#onIdle.push(resolve);
      this.#settleIdle();
    });
  }

  #refusal(pixels: Uint8Array, signal: AbortSignal | undefined): unknown {
    const { queueLimit, imageShape } = this.#options;
    if (signal?.aborted) return signal.reason;
    if (this.#closing) return new AppError('shutting_down', 'the model is being unloaded; try again');
    if (pixels.length !== elementCount(imageShape)) {
      return new Error(`${pixels.length} pixel values are not one image of [${imageShape.join(', ')}]`);
    }
    if (this.queued < queueLimit) return undefined;
    const retryAfter = this.#throughput.secondsFor(this.queued + this.#running);
    const detail = `${this.queued} images are waiting, which is the limit; try again in ${retryAfter} s`;
    return new AppError('queue_full', detail, { retryAfter, context: { limit: queueLimit } });
  }

  #ask(priority: Priority): void {
    if (this.#asked.has(priority) || this.#queue.size(priority) === 0) return;
    this.#asked.add(priority);
    void this.#serve(priority);
  }

  async #serve(priority: Priority): Promise<void> {
    await this.#fill(priority);
    let engine: EngineLease;
    try {
      engine = await this.#options.engines.acquire(priority);
    } catch (error) {
      this.#asked.delete(priority);
      this.#queue.rejectAll(priority, error);
      this.#settleIdle();
      return;
    }
    this.#asked.delete(priority);
    // A more urgent image may have arrived since, and asked for an engine too: that one will serve this priority.
    const batch = this.#takeBatch(this.#queue.mostUrgent(), engine);
    for (const each of PRIORITIES) this.#ask(each);
    if (batch.length > 0) await this.#run(engine, batch);
    engine.release();
    this.#settleIdle();
  }

  /** Waits up to `maxDelayMs` for a batch to fill up. */
  async #fill(priority: Priority): Promise<void> {
    const { maxDelayMs = 0, maxBatchSize } = this.#options;
    if (maxDelayMs === 0 || this.#closing || this.#queue.size(priority) >= maxBatchSize) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, maxDelayMs);
      this.#endDelay[priority] = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    delete this.#endDelay[priority];
  }

  #takeBatch(priority: Priority | undefined, { threads }: EngineLease): QueuedImage<BatchResult>[] {
    if (priority === undefined) return [];
    return this.#queue.take(priority, this.#options.sizing.images(threads, this.#queue.size(priority)));
  }

  async #run(engine: EngineLease, batch: readonly QueuedImage<BatchResult>[]): Promise<void> {
    const startedAt = performance.now();
    this.#running += batch.length;
    try {
      const wanted = batch[0]?.outputs ?? [];
      const classes = wanted.includes('explanation') ? batch.map((image) => image.explainedClass) : undefined;
      const answered = engine.run(this.#join(batch), wanted, classes);
      // Until here this thread was busy with the batch: it copied and sent the pixels.
      const sendMs = performance.now() - startedAt;
      const outputs = await answered;
      const inferenceMs = performance.now() - startedAt;
      // Explanations cost more, and few images ask for them.
      if (classes === undefined) this.#options.sizing.record(engine.threads, batch.length, engine.cpuMs + sendMs);
      this.#throughput.record(batch.length);
      for (const [row, image] of batch.entries()) {
        const timings = { batchSize: batch.length, queueMs: startedAt - image.queuedAt, inferenceMs };
        if (row === 0) this.#options.onBatch?.(timings);
        answer(image, timings, outputs, row);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.#running -= batch.length;
    }
  }

  #join(batch: readonly QueuedImage<BatchResult>[]): PixelTensor {
    const { imageShape } = this.#options;
    const [first] = batch;
    if (first !== undefined && batch.length === 1) return { data: first.pixels, shape: [1, ...imageShape] };
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

/** Settles one image of a batch. Values that are not finite fail this image only. */
function answer(image: QueuedImage<BatchResult>, timings: BatchTimings, outputs: Outputs, row: number): void {
  try {
    image.resolve({ ...timings, outputs: rowOf(outputs, row, image.outputs) });
  } catch (thrown) {
    image.reject(thrown);
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
    `the model computed ${name} with values that are not finite (NaN or infinity): ` +
      'check its weights, or use another model',
  );
}
