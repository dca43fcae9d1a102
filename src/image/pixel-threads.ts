import { Worker } from 'node:worker_threads';
import type { PixelJobKind, PixelJobs, PixelReply, PixelValues } from './pixel-messages.ts';

interface Job {
  readonly task: { readonly type: PixelJobKind };
  /** The memory that moves to the thread. */
  readonly moved: ArrayBuffer;
  readonly resolve: (value: PixelReply['value']) => void;
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
  run<Kind extends PixelJobKind>(
    type: Kind,
    given: PixelJobs[Kind],
    { buffer }: Uint8Array,
    signal?: AbortSignal,
  ): Promise<PixelValues[Kind] | undefined> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const drop = (): void => {
        if (this.#waiting.delete(job)) reject(signal?.reason);
      };
      const settled = (): void => signal?.removeEventListener('abort', drop);
      const job: Job = {
        task: { type, ...given },
        moved: buffer as ArrayBuffer,
        resolve: (value) => {
          settled();
          resolve(value as PixelValues[Kind] | undefined);
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
