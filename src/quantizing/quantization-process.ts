import { runInBackground } from '../common/background-process.ts';
import { compiledEntry } from '../common/compiled-entry.ts';
import type { Logger } from '../common/logger.ts';
import type { Quantization } from './quantization-record.ts';
import type { QuantizationProgress, QuantizationTask } from './quantization-task.ts';

/** How to follow a quantization and how to end it. */
export interface QuantizationControl {
  readonly onProgress: (progress: QuantizationProgress) => void;
  /** Ends the process at once; the promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

/** Bound on the time between two reports: a large network takes seconds an image on a busy machine. */
const STEP_LIMIT_MS = 30 * 60 * 1000;

/** Quantizes in a process of its own. @throws as `runInBackground`; AppError when the images cannot be used */
export function runQuantization(
  task: QuantizationTask,
  control: QuantizationControl,
  logger: Logger,
): Promise<Quantization> {
  return runInBackground(task, {
    ...control,
    script: compiledEntry(import.meta.url, 'quantization-child.js'),
    name: 'the process that quantizes',
    stepLimitMs: STEP_LIMIT_MS,
    logger,
  }) as Promise<Quantization>;
}
