import { fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BACKGROUND_LIMITS, backgroundLaunch } from './background-launch.ts';
import { AppError, type ErrorCode } from './errors.ts';
import type { Logger } from './logger.ts';
import { WATCHED_STDIO, Watchdog } from './watchdog.ts';

/** Message from a background process. The last is `done` or `failed`. */
export type BackgroundReply<Progress> =
  | { readonly type: 'progress'; readonly progress: Progress }
  /** It goes on when it is sent an answer. */
  | { readonly type: 'question' }
  | { readonly type: 'done'; readonly result: unknown }
  | {
      readonly type: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly context: Readonly<Record<string, unknown>>;
    };

/** How to start a background process, to follow it and to end it. */
export interface BackgroundProcessOptions<Progress> {
  /** Path of its script, which calls `answerTask`. */
  readonly script: string;
  /** Names the process in errors, as in "the training process". */
  readonly name: string;
  /** Milliseconds from one message to the next, after which it is killed. */
  readonly stepLimitMs: number;
  /** Gets what the process prints. */
  readonly logger: Logger;
  readonly onProgress: (progress: Progress) => void;
  /** Gives what the process asks for. */
  readonly onQuestion?: () => Promise<unknown>;
  /** Ends the process at once; the promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

/**
 * Runs a task in a process of its own: it yields to serving, dies alone and gives its memory back. A process that hangs
 * is killed.
 * @param task plain data
 * @returns what the task has returned
 * @throws AppError of the task; `training_lost` when the process ended before it was done
 */
export async function runInBackground<Progress>(
  task: object,
  { script, name, stepLimitMs, logger, onProgress, onQuestion, signal }: BackgroundProcessOptions<Progress>,
): Promise<unknown> {
  const launch = await backgroundLaunch();
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = fork(script, { ...launch, serialization: 'advanced', stdio: WATCHED_STDIO });
    const watchdog = new Watchdog(child, undefined, BACKGROUND_LIMITS);
    let finishStep = watchdog.expect('one step', stepLimitMs);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface(stream).on('line', (line) => logger.warn({ pid: child.pid }, line));
    }
    const kill = (): void => void child.kill('SIGKILL');
    const answer = async (): Promise<void> => {
      try {
        child.send({ answer: await onQuestion?.() });
      } catch (thrown) {
        reject(thrown);
        kill();
      }
    };
    signal.addEventListener('abort', kill, { once: true });
    child.on('message', (reply: BackgroundReply<Progress>) => {
      finishStep();
      finishStep = watchdog.expect('one step', stepLimitMs);
      if (reply.type === 'progress') onProgress(reply.progress);
      else if (reply.type === 'question') void answer();
      else if (reply.type === 'done') resolve(reply.result);
      else reject(new AppError(reply.code, reply.message, { context: reply.context }));
    });
    const lost = (why: string): AppError => new AppError('training_lost', `${name} ${why}`);
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
