/** Entry of the process that quantizes: takes one task, reports progress, answers and ends. */
import { setPriority } from 'node:os';
import { AppError, messageOf } from '../common/errors.ts';
import { asStorageError } from '../common/storage-error.ts';
import { startHeartbeat } from '../common/watchdog.ts';
import { ConversionError } from '../convert/conversion-error.ts';
import type { QuantizationReply } from './quantization-process.ts';
import { type QuantizationTask, quantizeAndCompare } from './quantization-task.ts';

/** Milliseconds between reports within a phase: every message wakes the server, which writes it to disk. */
const PROGRESS_INTERVAL_MS = 200;
/** Lowest priority (`nice`): requests go first. */
const NICENESS = 19;

setPriority(NICENESS);
startHeartbeat();
// The server ends this process itself: a Ctrl-C in its terminal reaches the whole process group.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
// The channel closes when the server lets go, and also when it is killed: no quantization outlives it.
process.on('disconnect', () => process.exit(0));

process.once('message', (task: QuantizationTask) => {
  void answer(task).then((reply) => process.send?.(reply, () => process.disconnect()));
});

async function answer(task: QuantizationTask): Promise<QuantizationReply> {
  let reportedAt = Number.NEGATIVE_INFINITY;
  try {
    const record = await quantizeAndCompare(task, (progress) => {
      const now = performance.now();
      const always = progress.done === 0 || progress.done === progress.total;
      if (!always && now - reportedAt < PROGRESS_INTERVAL_MS) return;
      reportedAt = now;
      process.send?.({ type: 'progress', progress } satisfies QuantizationReply);
    });
    return { type: 'done', record };
  } catch (thrown) {
    if (thrown instanceof ConversionError) return failure(new AppError('model_unavailable', thrown.message));
    if (thrown instanceof AppError) return failure(thrown);
    // The parent logs it, with the path of a file that could not be written.
    console.error(thrown);
    return failure(asStorageError(thrown) ?? new AppError('internal', messageOf(thrown)));
  }
}

function failure({ code, message, context }: AppError): QuantizationReply {
  return { type: 'failed', code, message, context };
}
