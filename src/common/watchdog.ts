import type { ChildProcess } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { compiledEntry } from './compiled-entry.ts';

/** The pipe among a watched process's `stdio` that carries its heartbeat. */
const HEARTBEAT_FD = 4;
const HEARTBEAT_INTERVAL_MS = 500;
/** A process that has sent no heartbeat for this long is hung. Ten heartbeats: a busy machine delays one or two. */
const SILENCE_LIMIT_MS = 5_000;
/** Bound on the time until the first heartbeat, which takes a tenth of a second on an idle machine. */
const START_LIMIT_MS = 60_000;
/** How often a watchdog looks, in milliseconds. */
const TICK_MS = 250;
/** The most that one tick counts: a longer gap is a time in which this process itself did not run. */
const LONGEST_TICK_MS = 2 * TICK_MS;

/**
 * `stdio` to fork a watched process with: no input, piped output, a channel for messages, a pipe for the heartbeat.
 */
export const WATCHED_STDIO: ('ignore' | 'pipe' | 'ipc')[] = ['ignore', 'pipe', 'pipe', 'ipc', 'pipe'];

/**
 * Sends this process's heartbeat to its parent, from a thread of its own: it goes on while the main thread computes,
 * and stops when the process is stopped. Call it once in a process that was forked with `WATCHED_STDIO`; it does not
 * keep the process alive.
 */
export function startHeartbeat(): void {
  const workerData = { fd: HEARTBEAT_FD, intervalMs: HEARTBEAT_INTERVAL_MS };
  new Worker(compiledEntry(import.meta.url, 'heartbeat-worker.js'), { workerData }).unref();
}

/** Milliseconds after which a process that gives no sign of life counts as hung. */
export interface WatchLimits {
  readonly silenceLimitMs?: number;
  /** Until its first sign. */
  readonly startLimitMs?: number;
}

/** A piece of work with a bound. */
interface Bound {
  readonly what: string;
  readonly limitMs: number;
  readonly startedAt: number;
}

/**
 * Kills a forked process that is hung: one that does not start, that sends no heartbeat any more, or that takes
 * longer for a piece of work than its bound. Heartbeats are expected from the first heartbeat or message on. SIGKILL
 * ends stopped processes too. The process's owner learns of the end by `exit`, and of the reason by `verdict`.
 *
 * Time counts only while this process runs: if it was stopped itself (Ctrl+Z), or the machine slept, or its event
 * loop was blocked, its children get the whole time again that they had left.
 */
export class Watchdog {
  readonly #child: ChildProcess;
  readonly #silenceLimitMs: number;
  readonly #bounds = new Set<Bound>();
  readonly #timer: NodeJS.Timeout;
  /** Milliseconds that this process has run since the watch began, and when that was last counted. */
  #elapsed = 0;
  #countedAt = performance.now();
  /** When the process last sent a heartbeat or a message, in `#elapsed`; undefined before the first. */
  #lastHeartbeat: number | undefined;
  #verdict: string | undefined;
  readonly #onKill: (verdict: string) => void;

  /**
   * @param child forked with `WATCHED_STDIO`; watched until it exits
   * @param onKill called when the process has been sent SIGKILL. It exits later, and as long as it waits for a broken
   * disk not at all
   */
  constructor(
    child: ChildProcess,
    onKill: (verdict: string) => void = () => {},
    { silenceLimitMs = SILENCE_LIMIT_MS, startLimitMs = START_LIMIT_MS }: WatchLimits = {},
  ) {
    this.#child = child;
    this.#onKill = onKill;
    this.#silenceLimitMs = silenceLimitMs;
    this.#timer = setInterval(() => this.#look(), TICK_MS);
    this.#timer.unref();
    child.once('exit', () => clearInterval(this.#timer));
    // A process that could not be started has no pipes at all, whatever the type says.
    const heartbeat = child.stdio?.[HEARTBEAT_FD];
    const finishStart = this.expect('its start', startLimitMs);
    const onSignOfLife = (): void => {
      if (this.#lastHeartbeat === undefined) finishStart();
      this.#lastHeartbeat = this.#now();
    };
    heartbeat?.on('data', onSignOfLife);
    child.on('message', onSignOfLife);
    // A pipe that breaks is a process that ends, which `exit` tells.
    heartbeat?.on('error', () => undefined);
  }

  /** Milliseconds since the last heartbeat or message; 0 before the first. */
  get silentMs(): number {
    return this.#lastHeartbeat === undefined ? 0 : this.#now() - this.#lastHeartbeat;
  }

  /** Why the process was killed; undefined as long as it was not. */
  get verdict(): string | undefined {
    return this.#verdict;
  }

  /**
   * Bounds a piece of work that the process begins now.
   * @param what completes the sentence "it took longer than ... s for"
   * @returns ends the bound; gives the milliseconds that the work took
   */
  expect(what: string, limitMs: number): () => number {
    const bound: Bound = { what, limitMs, startedAt: this.#now() };
    this.#bounds.add(bound);
    return () => {
      this.#bounds.delete(bound);
      return this.#now() - bound.startedAt;
    };
  }

  #now(): number {
    return this.#elapsed + Math.min(performance.now() - this.#countedAt, LONGEST_TICK_MS);
  }

  #look(): void {
    this.#elapsed = this.#now();
    this.#countedAt = performance.now();
    const exceeded = [...this.#bounds].find(({ startedAt, limitMs }) => this.#elapsed - startedAt > limitMs);
    if (this.silentMs > this.#silenceLimitMs) this.#kill(`it sent no heartbeat for ${seconds(this.#silenceLimitMs)} s`);
    else if (exceeded) this.#kill(`it took longer than ${seconds(exceeded.limitMs)} s for ${exceeded.what}`);
  }

  #kill(verdict: string): void {
    clearInterval(this.#timer);
    this.#verdict = verdict;
    this.#child.kill('SIGKILL');
    this.#onKill(verdict);
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
