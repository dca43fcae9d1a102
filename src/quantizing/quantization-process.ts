import { fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { compiledEntry } from '../common/compiled-entry.ts';
import { AppError, type ErrorCode } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { WATCHED_STDIO, Watchdog } from '../common/watchdog.ts';
import type { Quantization } from './quantization-record.ts';
import type { QuantizationProgress, QuantizationTask } from './quantization-task.ts';

/** Message from the process. The last is `done` or `failed`. */
export type QuantizationReply =
  | { readonly type: 'progress'; readonly progress: QuantizationProgress }
  | { readonly type: 'done'; readonly record: Quantization }
  | {
      readonly type: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly context: Readonly<Record<string, unknown>>;
    };

/** How to follow a quantization and how to end it. */
export interface QuantizationControl {
  readonly onProgress: (progress: QuantizationProgress) => void;
  /** Ends the process at once; the promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

/** Bound on the time between two reports: a large network takes seconds an image on a busy machine. */
const STEP_LIMIT_MS = 30 * 60 * 1000;

/**
 * Quantizes in a process of its own, which yields to serving and gives its memory back. A process that hangs is killed.
 * @throws AppError when the images cannot be used; `training_lost` when the process ended before it was done
 */
export function runQuantization(
  task: QuantizationTask,
  { onProgress, signal }: QuantizationControl,
  logger: Logger,
): Promise<Quantization> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = fork(compiledEntry(import.meta.url, 'quantization-child.js'), {
      serialization: 'advanced',
      execArgv: [],
      stdio: WATCHED_STDIO,
    });
    const watchdog = new Watchdog(child);
    let finishStep = watchdog.expect('one step', STEP_LIMIT_MS);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface(stream).on('line', (line) => logger.warn({ pid: child.pid }, line));
    }
    const kill = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', kill, { once: true });
    child.on('message', (reply: QuantizationReply) => {
      finishStep();
      finishStep = watchdog.expect('one step', STEP_LIMIT_MS);
      if (reply.type === 'progress') onProgress(reply.progress);
      else if (reply.type === 'done') resolve(reply.record);
      else reject(new AppError(reply.code, reply.message, { context: reply.context }));
    });
    child.on('error', (error) => reject(lost(`could not be reached: ${error.message}`)));
    child.on('exit', (code, by) => {
      signal.removeEventListener('abort', kill);
      const { verdict } = watchdog;
      const how = by === null ? `exited with code ${code}` : `was ended by ${by}`;
      reject(signal.aborted ? signal.reason : lost(verdict === undefined ? how : `was killed: ${verdict}`));
    });
    child.send(task);
  });
}

function lost(why: string): AppError {
  return new AppError('training_lost', `the process that quantizes ${why}`);
}
