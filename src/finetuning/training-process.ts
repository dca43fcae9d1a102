import { fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { compiledEntry } from '../common/compiled.ts';
import { AppError, type ErrorCode } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { Preflight } from './dataset/preflight.ts';
import type { PreflightTask, TrainingProgress, TrainingResult, TrainingTask } from './training-task.ts';

/** What the process is told. */
export type TrainingCommand =
  | { readonly type: 'train'; readonly task: TrainingTask }
  | { readonly type: 'inspect'; readonly task: PreflightTask };

/** What the process tells. */
export type TrainingReply =
  | { readonly type: 'progress'; readonly progress: TrainingProgress }
  | { readonly type: 'done'; readonly result: TrainingResult | Preflight['report'] }
  | {
      readonly type: 'failed';
      readonly code: ErrorCode;
      readonly message: string;
      readonly context: Readonly<Record<string, unknown>>;
    };

/** How to follow a process and how to end it. */
export interface TrainingControl {
  readonly logger: Logger;
  readonly onProgress: (progress: TrainingProgress) => void;
  /** Ends the process at once; the promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

/**
 * Trains in a process of its own: it yields to serving, dies alone and gives its memory back.
 * @throws AppError when the data set cannot be trained on, or when the process was lost
 */
export function runTraining(task: TrainingTask, control: TrainingControl): Promise<TrainingResult> {
  return run({ type: 'train', task }, control) as Promise<TrainingResult>;
}

/** Looks at a data set in a process of its own. @throws AppError when it cannot be trained on */
export function runInspection(task: PreflightTask, control: TrainingControl): Promise<Preflight['report']> {
  return run({ type: 'inspect', task }, control) as Promise<Preflight['report']>;
}

function run(command: TrainingCommand, { logger, onProgress, signal }: TrainingControl): Promise<unknown> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = fork(compiledEntry(import.meta.url, 'training-child.js'), {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface(stream).on('line', (line) => logger.warn({ pid: child.pid }, line));
    }
    const kill = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', kill, { once: true });
    child.on('message', (reply: TrainingReply) => {
      if (reply.type === 'progress') onProgress(reply.progress);
      else if (reply.type === 'done') resolve(reply.result);
      else reject(new AppError(reply.code, reply.message, { context: reply.context }));
    });
    child.on('error', reject);
    child.on('exit', (code, by) => {
      signal.removeEventListener('abort', kill);
      const how = by === null ? `with code ${code}` : `by ${by}`;
      reject(signal.aborted ? signal.reason : new AppError('training_lost', `the training process was ended ${how}`));
    });
    child.send(command);
  });
}
