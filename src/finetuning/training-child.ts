/** Entry of the process that trains: takes one task, tells how far it is, answers, ends. */
import { setPriority } from 'node:os';
import { AppError, messageOf } from '../common/errors.ts';
import { asStorageError } from '../common/storage-error.ts';
import type { TrainingCommand, TrainingReply } from './training-process.ts';
import type { TrainingProgress } from './training-task.ts';
import { inspectDataset, transferLearning } from './transfer-learning.ts';

/** Within a phase, in milliseconds: every message wakes the server, which writes it down. */
const PROGRESS_INTERVAL_MS = 200;

/** The lowest priority there is (`nice`): whoever waits for an answer goes first. */
setPriority(19);
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
// The channel closes when the server lets go, and also when it is killed: no training outlives it.
process.on('disconnect', () => process.exit(0));

process.once('message', (command: TrainingCommand) => {
  void answer(command).then((reply) => process.send?.(reply, () => process.disconnect()));
});

async function answer(command: TrainingCommand): Promise<TrainingReply> {
  const due = createPace();
  const onProgress = (progress: TrainingProgress): void => {
    if (due(progress)) process.send?.({ type: 'progress', progress } satisfies TrainingReply);
  };
  try {
    return command.type === 'train'
      ? { type: 'done', result: await transferLearning(command.task, onProgress) }
      : { type: 'done', result: await inspectDataset(command.task, onProgress) };
  } catch (thrown) {
    const error = thrown instanceof AppError ? thrown : asStorageError(thrown);
    if (error !== undefined)
      return { type: 'failed', code: error.code, message: error.message, context: error.context };
    return { type: 'failed', code: 'internal', message: messageOf(thrown), context: {} };
  }
}

/** Whether progress is worth telling: the first and last of each phase, something in between, and every epoch. */
function createPace(): (progress: TrainingProgress) => boolean {
  let current = '';
  let toldAt = Number.NEGATIVE_INFINITY;
  return ({ phase, done, total }) => {
    const now = performance.now();
    // Epochs are few, and each is a point of the curve.
    const always = phase === 'training' || phase !== current || done === total;
    if (!always && now - toldAt < PROGRESS_INTERVAL_MS) return false;
    current = phase;
    toldAt = now;
    return true;
  };
}
