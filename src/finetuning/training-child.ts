/** Entry of the training process: takes one command, reports progress, answers and ends. */
import { setPriority } from 'node:os';
import { AppError, messageOf } from '../common/errors.ts';
import { asStorageError } from '../common/storage-error.ts';
import { startHeartbeat } from '../common/watchdog.ts';
import type { PreflightReport } from './dataset/preflight-report.ts';
import { distillModel } from './distillation/distill-model.ts';
import { inspectDataset } from './inspection.ts';
import type { TrainingCommand, TrainingReply, TrainingResult, VersionReserved } from './training-messages.ts';
import { trainModel } from './training-pipeline.ts';
import type { OnProgress, TrainingProgress } from './training-progress.ts';

/** Milliseconds between reports within a phase: every message wakes the server, which writes it to disk. */
const PROGRESS_INTERVAL_MS = 200;
/** Lowest priority (`nice`): requests go first. */
const NICENESS = 19;

setPriority(NICENESS);
startHeartbeat();
// The server ends this process itself: a Ctrl-C in its terminal reaches the whole process group.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
// The channel closes when the server lets go, and also when the server is killed: no training outlives it.
process.on('disconnect', () => process.exit(0));

process.once('message', (command: TrainingCommand) => {
  void answer(command).then((reply) => process.send?.(reply, () => process.disconnect()));
});

async function answer(command: TrainingCommand): Promise<TrainingReply> {
  const isDue = createPace();
  const onProgress: OnProgress = (progress) => {
    if (isDue(progress)) process.send?.({ type: 'progress', progress } satisfies TrainingReply);
  };
  try {
    return { type: 'done', result: await work(command, onProgress) };
  } catch (thrown) {
    if (thrown instanceof AppError) return failure(thrown);
    // The parent logs it, with the path of a file that could not be written.
    console.error(thrown);
    return failure(asStorageError(thrown) ?? new AppError('internal', messageOf(thrown)));
  }
}

function work(command: TrainingCommand, onProgress: OnProgress): Promise<TrainingResult | PreflightReport> {
  if (command.type === 'train') return trainModel(command.task, reserveVersion, onProgress);
  if (command.type === 'distill') return distillModel(command.task, reserveVersion, onProgress);
  return inspectDataset(command.task, onProgress);
}

function reserveVersion(): Promise<number> {
  return new Promise((resolve) => {
    process.once('message', ({ version }: VersionReserved) => resolve(version));
    process.send?.({ type: 'trained' } satisfies TrainingReply);
  });
}

function failure({ code, message, context }: AppError): TrainingReply {
  return { type: 'failed', code, message, context };
}

/** Whether a progress is to be reported: the first and last of each phase, some in between, and every epoch. */
function createPace(): (progress: TrainingProgress) => boolean {
  let current = '';
  let reportedAt = Number.NEGATIVE_INFINITY;
  return ({ phase, done, total }) => {
    const now = performance.now();
    // Epochs are few, and each is a point of the curve.
    const always = phase === 'training' || phase !== current || done === total;
    if (!always && now - reportedAt < PROGRESS_INTERVAL_MS) return false;
    current = phase;
    reportedAt = now;
    return true;
  };
}
