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

interface Job {
  readonly task: PixelTask;
  /** The memory that moves to the thread. */
  readonly moved: ArrayBuffer;
  readonly resolve: (value: PixelValue | undefined) => void;
  readonly reject: (error: Error) => void;
}

const waiting: Job[] = [];
const threads = new Set<PixelThread>();

/**
 * Decodes a JPEG in another thread, to the pixels that libjpeg gives.
 * @returns undefined for a file that is damaged or of a rare kind: another decoder must say what it is
 */
export async function decodeJpegInThread(file: Uint8Array): Promise<RgbImage | undefined> {
  const value = await runJpeg(file, (copy) => ({ type: 'decode', file: copy }));
  return value instanceof Uint8Array ? undefined : value;
}

/** Decodes and resizes a JPEG in another thread; see `decodeJpegInThread`. @returns the pixels of the window */
export async function resizeJpegInThread(
  file: Uint8Array,
  shrink: Shrink,
  resize: Resize,
): Promise<Uint8Array | undefined> {
  const value = await runJpeg(file, (copy) => ({ type: 'resize', file: copy, shrink, resize }));
  return value instanceof Uint8Array ? value : undefined;
}

/** Whatever fails, such as memory that cannot be had, the other decoder may still read the file. */
function runJpeg(file: Uint8Array, task: (copy: Uint8Array) => PixelTask): Promise<PixelValue | undefined> {
  const copy = new Uint8Array(file);
  return run(task(copy), copy).catch(() => undefined);
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
  return (await run({ type: 'resample', source: { ...source, pixels: own }, resize }, own)) as Uint8Array;
}

function run(task: PixelTask, { buffer }: Uint8Array): Promise<PixelValue | undefined> {
  return new Promise((resolve, reject) => {
    waiting.push({ task, moved: buffer as ArrayBuffer, resolve, reject });
    startNext();
  });
}

function startNext(): void {
  if (waiting.length === 0) return;
  let free = [...threads].find(({ isFree }) => isFree);
  if (free === undefined) {
    if (threads.size >= MAX_THREADS) return;
    const started = new PixelThread(() => {
      threads.delete(started);
      startNext();
    });
    threads.add(started);
    free = started;
  }
  const job = waiting.shift();
  if (job !== undefined) free.start(job);
}

/** A thread that does one job after the other. It does not keep the process alive when it has none. */
class PixelThread {
  readonly #worker = new Worker(compiledEntry(import.meta.url, 'pixel-worker.js'));
  #job: Job | undefined;

  /** @param onExit called when the thread takes no more jobs */
  constructor(onExit: () => void) {
    this.#worker.on('message', ({ value, fault }: PixelReply) => {
      this.#settle((job) => (fault === undefined ? job.resolve(value) : job.reject(new Error(fault))));
      startNext();
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
    this.#worker.postMessage(job.task, [job.moved]);
  }

  #settle(settle: (job: Job) => void): void {
    const job = this.#job;
    if (job === undefined) return;
    this.#job = undefined;
    this.#worker.unref();
    settle(job);
  }
}
