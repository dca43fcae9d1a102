/** Entry of the training process. */
import { answerTask } from '../common/background-task.ts';
import type { PreflightReport } from './dataset/preflight-report.ts';
import { distillModel } from './distillation/distill-model.ts';
import { inspectDataset } from './inspection.ts';
import type { TrainingCommand, TrainingResult } from './training-messages.ts';
import { trainModel } from './training-pipeline.ts';
import type { OnProgress, TrainingProgress } from './training-progress.ts';

answerTask<TrainingCommand, TrainingProgress>(
  (command, { onProgress, ask }) => work(command, () => ask() as Promise<number>, onProgress),
  ['training'],
);

function work(
  command: TrainingCommand,
  reserveVersion: () => Promise<number>,
  onProgress: OnProgress,
): Promise<TrainingResult | PreflightReport> {
  if (command.type === 'train') return trainModel(command.task, reserveVersion, onProgress);
  if (command.type === 'distill') return distillModel(command.task, reserveVersion, onProgress);
  return inspectDataset(command.task, onProgress);
}
