import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../common/compiled-entry.ts';
import { fastResample, type Resize } from './fast-resample.ts';
import type { Shrink } from './jpeg/planes.ts';
import type { PixelReply, PixelTask, PixelValue } from './pixel-messages.ts';
import type { RgbImage } from './resample.ts';

const MAX_THREADS = Math.min(4, availableParallelism());
/** Resizing fewer pixels takes less time than the message would. */
const MIN_PIXELS = 1 << 15;
/** No job takes a second of a processor; a thread that has not answered for so long never will. */
const MAX_JOB_MS = 60_000;

interface Job {
  readonly task: PixelTask;
  /** The memory that moves to the thread. */
  readonly moved: ArrayBuffer;
  readonly resolve: (value: PixelValue | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Threads that do jobs on pixels, each one after the other. They are started when they are needed, and replaced. */
export class PixelThreads {
  readonly #entry: string;
  readonly #maxThreads: number;
  readonly #maxJobMs: number;
  /** Callers bound them: of images that a client waits for, there are as many as are decoded at once. */
  readonly #waiting = new Set<Job>();
  readonly #threads = new Set<PixelThread>();

  /**
   * @param entry path of the thread's program
   * @param maxJobMs after which a thread that has not answered is ended
   */
  constructor(entry: string, maxThreads: number, maxJobMs: number) {
    this.#entry = entry;
    this.#maxThreads = maxThreads;
    this.#maxJobMs = maxJobMs;
  }

  /**
   * @param moved the memory that moves to the thread
   * @param signal drops the job while it waits
   * @throws the fault of the job or of its thread, or the reason of the signal
   */
  run(task: PixelTask, { buffer }: Uint8Array, signal?: AbortSignal): Promise<PixelValue | undefined> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const drop = (): void => {
        if (this.#waiting.delete(job)) reject(signal?.reason);
      };
      const settled = (): void => signal?.removeEventListener('abort', drop);
      const job: Job = {
        task,
        moved: buffer as ArrayBuffer,
        resolve: (value) => {
          settled();
          resolve(value);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      signal?.addEventListener('abort', drop);
      this.#waiting.add(job);
      this.#startNext();
    });
  }

  #startNext(): void {
    for (const job of this.#waiting) {
      const free = [...this.#threads].find(({ isFree }) => isFree);
      if (free === undefined && this.#threads.size >= this.#maxThreads) return;
      this.#waiting.delete(job);
      try {
        (free ?? this.#newThread()).start(job);
      } catch (thrown) {
        // No thread can be had.
        job.reject(thrown);
      }
    }
  }

  #newThread(): PixelThread {
    const thread = new PixelThread(this.#entry, this.#maxJobMs, {
      onFree: () => this.#startNext(),
      onExit: () => {
        this.#threads.delete(thread);
        this.#startNext();
      },
    });
    this.#threads.add(thread);
    return thread;
  }
}

/** A thread that does one job after the other. It does not keep the process alive when it has none. */
class PixelThread {
  readonly #worker: Worker;
  readonly #maxJobMs: number;
  #job: Job | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `onExit` is called when the thread takes no more jobs. */
  constructor(
    entry: string,
    maxJobMs: number,
    { onFree, onExit }: { readonly onFree: () => void; readonly onExit: () => void },
  ) {
    this.#maxJobMs = maxJobMs;
    this.#worker = new Worker(entry);
    this.#worker.on('message', ({ value, fault }: PixelReply) => {
      this.#settle((job) => (fault === undefined ? job.resolve(value) : job.reject(new Error(fault))));
      onFree();
    });
    let failure = new Error('the thread that decodes images ended');
    this.#worker.on('error', (error) => {
      failure = error;
    });
    this.#worker.on('exit', () => {
      this.#settle((job) => job.reject(failure));
      onExit();
    });
    this.#worker.unref();
  }

  get isFree(): boolean {
    return this.#job === undefined;
  }

  start(job: Job): void {
    this.#job = job;
    this.#worker.ref();
    this.#timer = setTimeout(() => void this.#worker.terminate(), this.#maxJobMs);
    this.#worker.postMessage(job.task, [job.moved]);
  }

  #settle(settle: (job: Job) => void): void {
    clearTimeout(this.#timer);
    const job = this.#job;
    if (job === undefined) return;
    this.#job = undefined;
    this.#worker.unref();
    settle(job);
  }
}

const threads = new PixelThreads(compiledEntry(import.meta.url, 'pixel-worker.js'), MAX_THREADS, MAX_JOB_MS);

/** Starts a thread and compiles its code, so that the first image does not wait for them: 50 to 100 ms. */
export async function warmPixelThread(): Promise<void> {
  const [width, height] = [2, 2];
  const pixels = new Uint8Array(width * height * 3);
  const resize: Resize = { width, height, window: { left: 0, top: 0, width, height }, interpolation: 'bilinear' };
  await threads.run({ type: 'resample', source: { pixels, width, height }, resize }, pixels).catch(() => undefined);
}

/**
 * Decodes a JPEG in another thread, to the pixels that libjpeg gives.
 * @returns undefined for a file that is damaged or of a rare kind: another decoder must say what it is
 */
export async function decodeJpegInThread(file: Uint8Array): Promise<RgbImage | undefined> {
  const value = await runJpeg(file, (copy) => ({ type: 'decode', file: copy }));
  return value instanceof Uint8Array ? undefined : value;
}

/**
 * Decodes and resizes a JPEG in another thread; see `decodeJpegInThread`.
 * @param signal drops the job while it waits for a thread
 * @returns the pixels of the window
 * @throws the reason of the signal
 */
export async function resizeJpegInThread(
  file: Uint8Array,
  shrink: Shrink,
  resize: Resize,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const value = await runJpeg(file, (copy) => ({ type: 'resize', file: copy, shrink, resize }), signal);
  return value instanceof Uint8Array ? value : undefined;
}

/** Whatever fails, such as memory that cannot be had, the other decoder may still read the file. */
async function runJpeg(
  file: Uint8Array,
  task: (copy: Uint8Array) => PixelTask,
  signal?: AbortSignal,
): Promise<PixelValue | undefined> {
  const copy = new Uint8Array(file);
  try {
    return await threads.run(task(copy), copy, signal);
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

/** `fastResample` in another thread. @param source is not usable any more, since its memory moves there and is lost */
export async function resampleInThread(source: RgbImage, resize: Resize): Promise<Uint8Array> {
  const { width, height, window, interpolation } = resize;
  const { pixels } = source;
  const isSmall = source.width * source.height < MIN_PIXELS;
  if (isSmall || window.width === 0 || window.height === 0) {
    return fastResample(source, width, height, window, interpolation);
  }
  // Memory that is shared with others, as that of small buffers is, cannot move.
  const own = pixels.byteLength === pixels.buffer.byteLength ? pixels : new Uint8Array(pixels);
  return (await threads.run({ type: 'resample', source: { ...source, pixels: own }, resize }, own)) as Uint8Array;
}
