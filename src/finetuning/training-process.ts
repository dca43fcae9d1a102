import { runInBackground } from '../common/background-process.ts';
import { compiledEntry } from '../common/compiled-entry.ts';
import type { Logger } from '../common/logger.ts';
import type { PreflightReport } from './dataset/preflight-report.ts';
import type {
  DistillationTask,
  InspectionTask,
  TrainingCommand,
  TrainingResult,
  TrainingTask,
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
 * Trains in a process of its own.
 * @param reserveVersion gives the number of the new version; called once the head is trained
 * @throws as `runInBackground`; AppError when the data set cannot be trained on
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
  control: TrainingControl,
  reserveVersion?: () => Promise<number>,
): Promise<unknown> {
  return runInBackground(command, {
    ...control,
    script: compiledEntry(import.meta.url, 'training-child.js'),
    name: 'the training process',
    stepLimitMs: STEP_LIMIT_MS,
    // It will write the files of the version, and needs its number: a training that fails before has none.
    ...(reserveVersion && { onQuestion: reserveVersion }),
  });
}
