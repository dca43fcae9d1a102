/** Entry of the process that trains: takes one task, tells how far it is, answers, ends. */
import { setPriority } from 'node:os';
import { AppError, messageOf } from '../errors.ts';
import type { TrainingCommand, TrainingReply } from './training-process.ts';
import { inspectDataset, transferLearning } from './transfer-learning.ts';

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
  const onProgress = (progress: Extract<TrainingReply, { type: 'progress' }>['progress']): void => {
    process.send?.({ type: 'progress', progress } satisfies TrainingReply);
  };
  try {
    return command.type === 'train'
      ? { type: 'done', result: await transferLearning(command.task, onProgress) }
      : { type: 'done', result: await inspectDataset(command.task, onProgress) };
  } catch (thrown) {
    const { code, context } = thrown instanceof AppError ? thrown : { code: 'internal' as const, context: {} };
    return { type: 'failed', code, message: messageOf(thrown), context };
  }
}
