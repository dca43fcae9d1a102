import type { FinetuneOptions } from '../finetune-options.ts';
import type { Hyperparameters } from '../head/hyperparameters.ts';
import type { StageHyperparameters } from './train-last-stage.ts';

/** Samples of one step. */
const BATCH_SIZE = 32;
/** Steps of a training: with more samples there are fewer epochs. */
const STEPS = 1200;
const MIN_EPOCHS = 6;
const MAX_EPOCHS = 15;
/** Epochs without a lower validation loss after which the training stops. */
const PATIENCE = 4;
/** The head goes on from weights that were trained already. */
const HEAD_RATE = 0.5;

/** How a last stage is trained on `samples`: as its head was, but with smaller batches and for fewer epochs. */
export function stageHyperparameters(
  samples: number,
  head: Hyperparameters,
  options: Partial<Pick<FinetuneOptions, 'batch_size' | 'epochs' | 'patience'>>,
): StageHyperparameters {
  const batchSize = options.batch_size ?? Math.max(8, Math.min(BATCH_SIZE, Math.floor(samples / 8)));
  const epochs = Math.ceil(STEPS / Math.ceil(samples / batchSize));
  return {
    batchSize,
    epochs: options.epochs ?? Math.min(MAX_EPOCHS, Math.max(MIN_EPOCHS, epochs)),
    patience: options.patience ?? PATIENCE,
    headRate: head.learningRate * HEAD_RATE,
    weightDecay: head.weightDecay,
    seed: head.seed,
  };
}
