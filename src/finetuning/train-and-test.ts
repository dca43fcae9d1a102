import type { OfferedLayer } from '../convert/transfer/layered-network.ts';
import type { TensorFlow } from '../runtime/tensorflow.ts';
import { type DatasetFeatures, lastLayers } from './features/dataset-features.ts';
import { joinImages, samplesOf } from './features/feature-set.ts';
import type { FinetuneOptions } from './finetune-options.ts';
import { foldTemperature } from './head/calibration.ts';
import type { DenseLayer } from './head/dense-layers.ts';
import { areFew, type SolvedHead, solvedLayers, solveHead } from './head/few-images.ts';
import { type Head, trainHead } from './head/head.ts';
import type { SearchResult } from './head/hyperparameter-search.ts';
import { defaultHyperparameters, type Hyperparameters } from './head/hyperparameters.ts';
import { type LearningCurve, measureLearningCurve } from './head/learning-curve.ts';
import { type SelectedModel, selectModel } from './head/model-selection.ts';
import { type TestResult, testHead } from './head/test-result.ts';
import { type TrainedDetector, trainDetector } from './novelty/train-detector.ts';
import type { AutomaticSearch, ChosenModel } from './search/automatic-search.ts';
import { hyperparametersFor, layerCount } from './search/space.ts';
import type { TrainingProgress } from './training-progress.ts';

/** A head, how it was trained, and its test result. */
export interface TrainedHead {
  /** Layers of the backbone that the head reads; the last are the backbone's own features. */
  readonly reads: readonly OfferedLayer[];
  /** Dense layers of the head, with the temperature folded into the last one. */
  readonly layers: readonly DenseLayer[];
  /** Undefined when the head was solved for. */
  readonly hyperparameters: Hyperparameters | undefined;
  /** How the head was solved for; undefined when it was trained. */
  readonly solved: Pick<SolvedHead, 'penalty' | 'prototypes' | 'augmented'> | undefined;
  readonly head: Head;
  /** How the accuracy grows with the images; only for a head that was solved for. */
  readonly learningCurve: LearningCurve | undefined;
  /** Undefined when there are no test images. */
  readonly test: TestResult | undefined;
  /** Undefined when no quick search was asked for. */
  readonly search: SearchResult | undefined;
  /** Tells images that show none of the classes. */
  readonly novelty: TrainedDetector;
  /** Only of a thorough search. */
  readonly automaticSearch?: AutomaticSearch;
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
  const fixed = givenHyperparameters(options);
  const count = offered.train.labels.length + offered.validation.labels.length;
  const search = options.search === 'thorough' ? 'none' : options.search;
  if (search === 'none' && Object.keys(fixed).length === 0 && areFew(count, classes)) {
    return solve(tf, offered, classes, options, onProgress);
  }
  const selected = await selectModel(tf, {
    features: offered,
    classes,
    seed: options.seed,
    search,
    layers: options.layers,
    fixed,
    onTrial: ({ trial, done, total }) =>
      onProgress({ phase: 'searching', done, total, val_loss: trial.loss, val_accuracy: trial.accuracy }),
  });
  return train(tf, { ...selected, offered }, classes, onProgress);
}

/** Trains the head that a thorough search chose, and tests it. */
export async function trainChosen(
  tf: TensorFlow,
  { candidate, search }: ChosenModel,
  offered: DatasetFeatures,
  classes: number,
  options: FinetuneOptions,
  onProgress: (progress: TrainingProgress) => void,
): Promise<TrainedHead> {
  const features = lastLayers(offered, layerCount(candidate.layers, offered.layers.length));
  const { set, labels } = features.train;
  const samples = labels.length + (set.copies?.sources.length ?? 0);
  const fixed = givenHyperparameters(options);
  const hyperparameters = hyperparametersFor(candidate, fixed, options.seed, samples, set.dimension);
  const augmented = set.copies !== undefined;
  const trained = candidate.solved
    ? await solve(tf, offered, classes, options, onProgress)
    : await train(tf, { offered, features, hyperparameters, augmented, search: undefined }, classes, onProgress);
  return { ...trained, automaticSearch: search };
}

/** Solves for a head on few images. */
async function solve(
  tf: TensorFlow,
  offered: DatasetFeatures,
  classes: number,
  { layers, seed }: FinetuneOptions,
  onProgress: (progress: TrainingProgress) => void,
): Promise<TrainedHead> {
  onProgress({ phase: 'training' });
  const { features, head, ...solved } = solveHead(tf, offered, classes, solvedLayers(offered.layers.length, layers));
  onProgress({ phase: 'evaluating' });
  const images = samplesOf(joinImages({ ...features.train, augmented: false }, features.validation));
  // To measure the detector, heads without one class each are trained.
  const hyperparameters = defaultHyperparameters(images.labels.length, features.train.set.dimension, seed);
  const novelty = await trainDetector(tf, { features, classes, hyperparameters, layers: head.layers });
  return {
    ...tested(tf, { features, offered, head, classes }),
    hyperparameters: undefined,
    solved,
    learningCurve: measureLearningCurve(tf, { images, classes, penalty: solved.penalty, seed }),
    search: undefined,
    novelty,
  };
}

/** Trains a head by gradient descent. */
async function train(
  tf: TensorFlow,
  { features, offered, augmented, hyperparameters, search }: SelectedModel & { readonly offered: DatasetFeatures },
  classes: number,
  onProgress: (progress: TrainingProgress) => void,
): Promise<TrainedHead> {
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
  return {
    ...tested(tf, { features, offered, head, classes }),
    hyperparameters,
    solved: undefined,
    learningCurve: undefined,
    search,
    novelty,
  };
}

/** A head with its test result. */
function tested(
  tf: TensorFlow,
  {
    features,
    offered,
    head,
    classes,
  }: { features: DatasetFeatures; offered: DatasetFeatures; head: Head; classes: number },
): Pick<TrainedHead, 'reads' | 'layers' | 'head' | 'test'> {
  const isTested = features.test.labels.length > 0;
  return {
    reads: features.layers,
    layers: foldTemperature(head.layers, head.temperature),
    head,
    test: isTested ? testHead(tf, head, { read: features, offered }, classes) : undefined,
  };
}

/** Hyperparameters that the client has set. */
export function givenHyperparameters(options: FinetuneOptions): Partial<Hyperparameters> {
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
