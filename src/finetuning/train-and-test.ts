import type { OfferedLayer } from '../convert/transfer/layered-network.ts';
import type { TensorFlow } from '../runtime/tensorflow.ts';
import type { DatasetFeatures } from './features/dataset-features.ts';
import type { FinetuneOptions } from './finetune-options.ts';
import { foldTemperature } from './head/calibration.ts';
import type { DenseLayer } from './head/dense-layers.ts';
import { type Head, trainHead } from './head/head.ts';
import type { SearchResult } from './head/hyperparameter-search.ts';
import type { Hyperparameters } from './head/hyperparameters.ts';
import { selectModel } from './head/model-selection.ts';
import { type TestResult, testHead } from './head/test-result.ts';
import { type TrainedDetector, trainDetector } from './novelty/train-detector.ts';
import type { TrainingProgress } from './training-progress.ts';

/** A head, how it was trained, and its test result. */
export interface TrainedHead {
  /** Layers of the backbone that the head reads; the last are the backbone's own features. */
  readonly reads: readonly OfferedLayer[];
  /** Dense layers of the head, with the temperature folded into the last one. */
  readonly layers: readonly DenseLayer[];
  readonly hyperparameters: Hyperparameters;
  readonly head: Head;
  /** Undefined when there are no test images. */
  readonly test: TestResult | undefined;
  /** Undefined when no search was asked for. */
  readonly search: SearchResult | undefined;
  /** Tells images that show none of the classes. */
  readonly novelty: TrainedDetector;
}

/**
 * Selects layers and hyperparameters, trains a head, and tests it on the test images, which have no part in the steps
 * before.
 *
 * @param offered features of all layers that the backbone offers
 */
export async function trainAndTest(
  tf: TensorFlow,
  offered: DatasetFeatures,
  classes: number,
  options: FinetuneOptions,
  onProgress: (progress: TrainingProgress) => void,
): Promise<TrainedHead> {
  const { features, augmented, hyperparameters, search } = await selectModel(tf, {
    features: offered,
    classes,
    seed: options.seed,
    search: options.search,
    layers: options.layers,
    fixed: givenHyperparameters(options),
    onTrial: ({ trial, done, total }) =>
      onProgress({ phase: 'searching', done, total, val_loss: trial.loss, val_accuracy: trial.accuracy }),
  });
  const head = await trainHead(
    tf,
    {
      images: { ...features.train, augmented },
      validation: features.validation,
      classes,
      onEpoch: ({ epoch, epochs, loss, accuracy, valLoss, valAccuracy }) =>
        onProgress({
          phase: 'training',
          done: epoch,
          total: epochs,
          loss,
          accuracy,
          ...(valLoss !== undefined && { val_loss: valLoss }),
          ...(valAccuracy !== undefined && { val_accuracy: valAccuracy }),
        }),
      onTrained: () => onProgress({ phase: 'evaluating' }),
    },
    hyperparameters,
  );
  const novelty = await trainDetector(tf, { features, classes, hyperparameters, layers: head.layers });
  const isTested = features.test.labels.length > 0;
  return {
    reads: features.layers,
    layers: foldTemperature(head.layers, head.temperature),
    hyperparameters,
    head,
    test: isTested ? testHead(tf, head, { read: features, offered }, classes) : undefined,
    search,
    novelty,
  };
}

/** Hyperparameters that the client has set. */
function givenHyperparameters(options: FinetuneOptions): Partial<Hyperparameters> {
  const given = {
    hiddenUnits: options.hidden_units,
    dropout: options.dropout,
    learningRate: options.learning_rate,
    weightDecay: options.weight_decay,
    batchSize: options.batch_size,
    epochs: options.epochs,
    patience: options.patience,
    labelSmoothing: options.label_smoothing,
    classWeights: options.class_weights,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
