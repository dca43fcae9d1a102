/** Entry of the training process. */
import { answerTask } from '../common/background-task.ts';
import type { PreflightReport } from './dataset/preflight-report.ts';
import { distillModel } from './distillation/distill-model.ts';
import { SharedFeatures } from './features/shared-features.ts';
import { inspectDataset } from './inspection.ts';
import type { TrainingCommand, TrainingResult } from './training-messages.ts';
import { trainModel } from './training-pipeline.ts';
import type { OnProgress, TrainingProgress } from './training-progress.ts';

answerTask<TrainingCommand, TrainingProgress>(
  (command, { onProgress, ask }) => work(command, () => ask() as Promise<number>, onProgress),
  ['training'],
);

async function work(
  command: TrainingCommand,
  reserveVersion: () => Promise<number>,
  onProgress: OnProgress,
): Promise<TrainingResult | PreflightReport> {
  const { bucket, maxFeatureBytes: maxBytes } = command.task;
  const shared = bucket && maxBytes > 0 ? await SharedFeatures.open({ ...bucket, maxBytes }) : undefined;
  try {
    return await workWith(shared, command, reserveVersion, onProgress);
  } finally {
    await shared?.close();
  }
}

function workWith(
  shared: SharedFeatures | undefined,
  command: TrainingCommand,
  reserveVersion: () => Promise<number>,
  onProgress: OnProgress,
): Promise<TrainingResult | PreflightReport> {
  if (command.type === 'train') return trainModel({ ...command.task, shared }, reserveVersion, onProgress);
  if (command.type === 'distill') return distillModel({ ...command.task, shared }, reserveVersion, onProgress);
  return inspectDataset({ ...command.task, shared }, onProgress);
}
