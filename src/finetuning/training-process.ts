import { fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { compiledEntry } from '../common/compiled-entry.ts';
import { AppError } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import { WATCHED_STDIO, Watchdog } from '../common/watchdog.ts';
import type { PreflightReport } from './dataset/preflight-report.ts';
import type {
  DistillationTask,
  InspectionTask,
  TrainingCommand,
  TrainingReply,
  TrainingResult,
  TrainingTask,
  VersionReserved,
} from './training-messages.ts';
import type { OnProgress } from './training-progress.ts';

/**
 * Bound on the time between two reports of progress. The slowest step, the choice of the weight decay of a large data
 * set, takes minutes; on a busy machine the process gets a fraction of a core.
 */
const STEP_LIMIT_MS = 60 * 60 * 1000;

/** How to follow a training process and how to end it. */
export interface TrainingControl {
  readonly logger: Logger;
  readonly onProgress: OnProgress;
  /** Ends the process at once; the promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

/**
 * Trains in a process of its own: it yields to serving, dies alone and gives its memory back. A process that hangs is
 * killed.
 * @param reserveVersion gives the number of the new version; called once the head is trained
 * @throws AppError when the data set cannot be trained on; `training_lost` when the process ended before it was done
 */
export function runTraining(
  task: TrainingTask,
  control: TrainingControl,
  reserveVersion: () => Promise<number>,
): Promise<TrainingResult> {
  return run({ type: 'train', task }, control, reserveVersion) as Promise<TrainingResult>;
}

/** Distils in a process of its own. @throws as `runTraining` */
export function runDistillation(
  task: DistillationTask,
  control: TrainingControl,
  reserveVersion: () => Promise<number>,
): Promise<TrainingResult> {
  return run({ type: 'distill', task }, control, reserveVersion) as Promise<TrainingResult>;
}

/** Inspects a data set in a process of its own. @throws as `runTraining` */
export function runInspection(task: InspectionTask, control: TrainingControl): Promise<PreflightReport> {
  return run({ type: 'inspect', task }, control) as Promise<PreflightReport>;
}

function run(
  command: TrainingCommand,
  { logger, onProgress, signal }: TrainingControl,
  reserveVersion?: () => Promise<number>,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = fork(compiledEntry(import.meta.url, 'training-child.js'), {
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
    const answerTrained = async (): Promise<void> => {
      try {
        const version = await reserveVersion?.();
        if (version !== undefined) child.send({ type: 'reserved', version } satisfies VersionReserved);
      } catch (thrown) {
        reject(thrown);
        kill();
      }
    };
    signal.addEventListener('abort', kill, { once: true });
    child.on('message', (reply: TrainingReply) => {
      finishStep();
      finishStep = watchdog.expect('one step', STEP_LIMIT_MS);
      if (reply.type === 'progress') onProgress(reply.progress);
      else if (reply.type === 'trained') void answerTrained();
      else if (reply.type === 'done') resolve(reply.result);
      else reject(new AppError(reply.code, reply.message, { context: reply.context }));
    });
    child.on('error', (error) => reject(lost(`could not be reached: ${error.message}`)));
    child.on('exit', (code, by) => {
      signal.removeEventListener('abort', kill);
      const { verdict } = watchdog;
      const how = by === null ? `exited with code ${code}` : `was ended by ${by}`;
      reject(signal.aborted ? signal.reason : lost(verdict === undefined ? how : `was killed: ${verdict}`));
    });
    child.send(command);
  });
}

function lost(why: string): AppError {
  return new AppError('training_lost', `the training process ${why}`);
}
