/** Entry of the process that quantizes. */
import { answerTask } from '../common/background-task.ts';
import { AppError } from '../common/errors.ts';
import { ConversionError } from '../convert/conversion-error.ts';
import { type QuantizationProgress, type QuantizationTask, quantizeAndCompare } from './quantization-task.ts';

answerTask<QuantizationTask, QuantizationProgress>((task, { onProgress }) =>
  quantizeAndCompare(task, onProgress).catch((thrown: unknown) => {
    throw thrown instanceof ConversionError ? new AppError('model_unavailable', thrown.message) : thrown;
  }),
);
