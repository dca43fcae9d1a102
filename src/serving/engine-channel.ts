import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { type Launch, USUAL_LAUNCH } from '../common/background-launch.ts';
import { compiledEntry } from '../common/compiled-entry.ts';
import { AppError } from '../common/errors.ts';
import { DamagedFileError } from '../common/file-digest.ts';
import type { Logger } from '../common/logger.ts';
import { WATCHED_STDIO, Watchdog, type WatchLimits } from '../common/watchdog.ts';
import { FRAMES_FD, FrameReader, sendFrame } from './engine-frames.ts';
import type { EngineReply, EngineRequest } from './engine-messages.ts';

/** Four heartbeats. A process on a busy machine may miss them too, so this is no reason to kill it. */
const SUSPICIOUS_SILENCE_MS = 2_000;

/**
 * glibc keeps freed memory for later requests, and raises the size up to which it does so the longer a process runs.
 * This setting makes it return every block above this size at once. It halves the peak of loading a ResNet-50;
 * without it 500 MB of that peak would stay. Other C libraries ignore it.
 */
const LARGE_BLOCK_BYTES = 128 * 1024;

/** A request without its id, which the channel assigns. */
type Body<T> = T extends { readonly id: number } ? Omit<T, 'id'> : never;
export type EngineAnswer = Exclude<EngineReply, { type: 'ready' | 'failed' }>;

/** How long a request may take before the engine counts as hung. */
interface RequestBound {
  /** Completes the sentence "it took longer than ... s for". */
  readonly what: string;
  readonly limitMs: number;
}

/** How an engine is started and watched; as a part of the server, unless it says otherwise. */
export interface EngineOptions {
  readonly launch?: Launch;
  readonly limits?: WatchLimits;
}

/** An answer and the time that the engine took for it, without the time in the queue. */
interface TimedAnswer {
  readonly answer: EngineAnswer;
  readonly ms: number;
}

interface PendingRequest {
  readonly bound: RequestBound;
  readonly resolve: (answer: TimedAnswer) => void;
  readonly reject: (error: Error) => void;
  /** Ends the bound; set once the engine works on this request. */
  finish: (() => number) | undefined;
}

/**
 * A child process that computes, and the requests to it. The child answers them one at a time, in their order. A
 * child that hangs is killed. Lives until `end`, or until the process dies; it does not come back.
 */
export class EngineChannel {
  readonly pid: number | undefined;
  /** Settles when the process takes requests; rejects when it ends before that. */
  readonly ready: Promise<void>;
  /** Settles when the process is gone, with what happened to it, such as "exited with code 1". */
  readonly exited: Promise<string>;

  readonly #child: ChildProcess;
  readonly #watchdog: Watchdog;
  /** Absent when the process could not be started. */
  readonly #pipe: Duplex | undefined;
  /** Oldest first: the process works on the first of them. */
  readonly #pending = new Map<number, PendingRequest>();
  #nextId = 0;
  #rss = 0;
  #gone = false;

  constructor(logger: Logger, { launch = USUAL_LAUNCH, limits = {} }: EngineOptions = {}) {
    this.#child = fork(compiledEntry(import.meta.url, 'engine-child.js'), {
      ...launch,
      env: { ...process.env, MALLOC_MMAP_THRESHOLD_: String(LARGE_BLOCK_BYTES) },
      stdio: [...WATCHED_STDIO, 'pipe'],
    });
    this.pid = this.#child.pid;
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream) createInterface(stream).on('line', (line) => logger.warn({ pid: this.pid }, line));
    }
    let exit: (what: string) => void = () => {};
    this.exited = new Promise((resolve) => {
      exit = resolve;
    });
    // A hung process counts as gone when it is killed: the kernel may take its time to end it.
    this.#watchdog = new Watchdog(this.#child, (verdict) => exit(`was hung and killed: ${verdict}`), limits);
    this.#child.on('error', (error) => exit(`could not be reached: ${error.message}`));
    this.#child.on('exit', (code, signal) => exit(signal ? `was ended by ${signal}` : `exited with code ${code}`));
    this.#pipe = (this.#child.stdio as readonly unknown[] | undefined)?.[FRAMES_FD] as Duplex | undefined;
    // A pipe that breaks is a process that ends, which `exit` tells.
    this.#pipe?.on('error', () => undefined);
    this.ready = new Promise((resolve, reject) => {
      const reader = new FrameReader<EngineReply>((reply) => {
        this.#rss = reply.rss;
        if (reply.type !== 'ready') return this.#settle(reply);
        resolve();
      });
      this.#pipe?.on('data', (chunk: Buffer) => reader.push(chunk));
      void this.exited.then((what) => {
        this.#gone = true;
        reject(lost(what));
        for (const pending of this.#pending.values()) pending.reject(lost(what));
        this.#pending.clear();
      });
    });
    // An early end must not become an unhandled rejection where nobody waits for readiness.
    this.ready.catch(() => undefined);
  }

  /** Resident memory in bytes when the process last answered; 0 before that. */
  get rss(): number {
    return this.#rss;
  }

  /** Whether the process has missed some heartbeats: it may be hung. */
  get silent(): boolean {
    return this.#watchdog.silentMs > SUSPICIOUS_SILENCE_MS;
  }

  /** Whether the process was killed because it was hung. */
  get hung(): boolean {
    return this.#watchdog.verdict !== undefined;
  }

  /**
   * @throws AppError `engine_lost` when the process ends before it answers; DamagedFileError when a file of the model
   * is missing or damaged; Error with any other reason that the engine gives
   */
  request(body: Body<EngineRequest>, bound: RequestBound): Promise<TimedAnswer> {
    if (this.#gone) return Promise.reject(lost('is gone'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { bound, resolve, reject, finish: undefined });
      this.#watchFirst();
      const fail = (error: Error): void => this.#take(id)?.reject(lost(`could not be reached: ${error.message}`));
      if (this.#pipe === undefined) fail(new Error('it has no pipe'));
      else sendFrame(this.#pipe, { ...body, id }, fail);
    });
  }

  /** Ends the process: lets it exit by itself within `graceMs`, else kills it. */
  async end(graceMs: number): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const deadline = setTimeout(() => this.kill(), graceMs);
    await this.exited;
    clearTimeout(deadline);
  }

  /** Ends the process at once; its requests fail with `engine_lost`. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #settle(reply: Exclude<EngineReply, { type: 'ready' }>): void {
    const pending = this.#take(reply.id);
    const ms = pending?.finish?.() ?? 0;
    if (reply.type === 'failed') pending?.reject(new (reply.damaged ? DamagedFileError : Error)(reply.reason));
    else pending?.resolve({ answer: reply, ms });
  }

  #take(id: number): PendingRequest | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    this.#watchFirst();
    return pending;
  }

  /** A request's bound begins when the one before it is answered. */
  #watchFirst(): void {
    const [first] = this.#pending.values();
    if (first !== undefined) first.finish ??= this.#watchdog.expect(first.bound.what, first.bound.limitMs);
  }
}

function lost(what: string): AppError {
  return new AppError('engine_lost', `the engine ${what} before it had answered; try again`, { retryAfter: 1 });
}
