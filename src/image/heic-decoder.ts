import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import type { Readable } from 'node:stream';
import { compiledEntry } from '../common/compiled-entry.ts';
import { Watchdog } from '../common/watchdog.ts';
import { HEIC_PIXELS_FD, type HeicFault, type HeicTask } from './heic-messages.ts';

/** Processes at once. Each takes one core, and 160 MB for a photo of 12 million pixels. */
const MAX_PROCESSES = Math.max(1, Math.min(4, availableParallelism() >> 1));
/** A process that has nothing to do for this long is ended; a new one starts in a fifth of a second. */
const IDLE_MS = 10_000;
/** Bound on the time for a photo, in milliseconds: a million pixels take 100, or ten times that on a busy machine. */
const LIMIT_MS = 30_000;
const LIMIT_MS_PER_MEGAPIXEL = 3_000;

/** Upright 8-bit pixels, row by row. */
export interface HeicPixels {
  readonly data: Buffer;
  readonly width: number;
  readonly height: number;
  /** 4 with alpha. */
  readonly channels: 3 | 4;
}

/** Why an image could not be decoded. */
export class HeicError extends Error {
  readonly unsupported: boolean;

  constructor({ reason, unsupported }: HeicFault) {
    super(reason);
    this.name = 'HeicError';
    this.unsupported = unsupported;
  }
}

interface Job {
  readonly task: HeicTask;
  readonly resolve: (pixels: HeicPixels) => void;
  readonly reject: (reason: unknown) => void;
}

const waiting = new Set<Job>();
const processes = new Set<DecodingProcess>();

/**
 * Decodes the primary image of a HEIC file, with its rotation and mirroring applied, in a process of its own: libheif
 * computes for seconds, and files are written to break it. Processes are started when there is something to decode, and
 * do not keep this one alive. Calls wait while all processes work.
 * @param signal kills the process that works on the image
 * @throws HeicError; the signal's reason
 */
export function decodeHeic(task: HeicTask, signal?: AbortSignal): Promise<HeicPixels> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const settled =
      <T>(settle: (value: T) => void) =>
      (value: T): void => {
        signal?.removeEventListener('abort', drop);
        settle(value);
      };
    const job: Job = { task, resolve: settled(resolve), reject: settled(reject) };
    const drop = (): void => {
      if (!waiting.delete(job)) for (const each of processes) if (each.job === job) each.kill();
      job.reject(signal?.reason);
    };
    signal?.addEventListener('abort', drop, { once: true });
    waiting.add(job);
    startNext();
  });
}

function startNext(): void {
  const [job] = waiting;
  if (job === undefined) return;
  let free = [...processes].find((each) => each.isFree);
  if (free === undefined) {
    if (processes.size >= MAX_PROCESSES) return;
    const started = new DecodingProcess(() => {
      processes.delete(started);
      startNext();
    });
    processes.add(started);
    free = started;
  }
  waiting.delete(job);
  free.start(job);
}

/** A process that decodes one image after the other. */
class DecodingProcess {
  readonly #child: ChildProcess;
  readonly #watchdog: Watchdog;
  readonly #pixels: Readable | undefined;
  #job: Job | undefined;
  #killed = false;
  #finish: () => void = () => undefined;
  #channels: 3 | 4 | undefined;
  #data = Buffer.alloc(0);
  #received = 0;
  #idle: NodeJS.Timeout | undefined;

  /** @param onExit called when the process takes no more images */
  constructor(onExit: () => void) {
    this.#child = fork(compiledEntry(import.meta.url, 'heic-child.js'), {
      serialization: 'advanced',
      execArgv: [],
      // libheif writes about damaged files.
      stdio: ['ignore', 'ignore', 'ignore', 'ipc', 'pipe', 'pipe'],
    });
    this.#watchdog = new Watchdog(this.#child);
    this.#pixels = (this.#child.stdio as readonly unknown[] | undefined)?.[HEIC_PIXELS_FD] as Readable | undefined;
    this.#pixels?.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#pixels?.on('error', () => undefined);
    this.#child.on('message', (fault: HeicFault) => this.#settle((job) => job.reject(new HeicError(fault))));
    this.#child.once('error', (error) => this.#end(onExit, `its decoder cannot be used: ${error.message}`));
    this.#child.once('exit', (code, signal) => {
      const how = this.#watchdog.verdict ?? `its decoder ${signal === null ? `exited with ${code}` : `got ${signal}`}`;
      this.#end(onExit, how);
    });
    this.#keepAlive(false);
  }

  get job(): Job | undefined {
    return this.#job;
  }

  get isFree(): boolean {
    return this.#job === undefined && !this.#killed;
  }

  start(job: Job): void {
    const { width, height } = job.task;
    clearTimeout(this.#idle);
    this.#keepAlive(true);
    this.#job = job;
    this.#channels = undefined;
    this.#received = 0;
    const limitMs = LIMIT_MS + (width * height * LIMIT_MS_PER_MEGAPIXEL) / 1e6;
    this.#finish = this.#watchdog.expect('its decoding', limitMs);
    this.#child.send(job.task, (error) => {
      // A process that ends tells it by `exit`.
      if (error) this.kill();
    });
  }

  /** Takes no more images, although it exits a little later. */
  kill(): void {
    this.#killed = true;
    this.#child.kill('SIGKILL');
  }

  #take(chunk: Buffer): void {
    if (this.#job === undefined) return;
    const { width, height } = this.#job.task;
    let pixels = chunk;
    if (this.#channels === undefined) {
      this.#channels = chunk[0] === 4 ? 4 : 3;
      this.#data = Buffer.allocUnsafeSlow(width * height * this.#channels);
      pixels = chunk.subarray(1);
    }
    this.#received += pixels.copy(this.#data, this.#received);
    if (this.#received < this.#data.length) return;
    const image: HeicPixels = { data: this.#data, width, height, channels: this.#channels };
    this.#data = Buffer.alloc(0);
    this.#settle((job) => job.resolve(image));
  }

  #settle(settle: (job: Job) => void): void {
    const job = this.#job;
    this.#job = undefined;
    this.#finish();
    this.#keepAlive(false);
    this.#idle = setTimeout(() => this.kill(), IDLE_MS).unref();
    if (job) settle(job);
    startNext();
  }

  #end(onExit: () => void, reason: string): void {
    clearTimeout(this.#idle);
    const job = this.#job;
    this.#job = undefined;
    job?.reject(new HeicError({ reason, unsupported: false }));
    onExit();
  }

  /** Whether this process waits for its child. */
  #keepAlive(on: boolean): void {
    const handles = [this.#child, this.#child.channel, ...(this.#child.stdio ?? [])];
    for (const handle of handles) {
      if (on) (handle as { ref?: () => void } | null | undefined)?.ref?.();
      else (handle as { unref?: () => void } | null | undefined)?.unref?.();
    }
  }
}
