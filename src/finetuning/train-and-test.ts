import type { OfferedLayer } from '../convert/transfer/layered-network.ts';
import type { TensorFlow } from '../runtime/tensorflow.ts';
import { type DatasetFeatures, lastLayers } from './features/dataset-features.ts';
import { joinImages, samplesOf } from './features/feature-set.ts';
import { type FinetuneOptions, givenHyperparameters } from './finetune-options.ts';
import { foldTemperature } from './head/calibration.ts';
import type { DenseLayer } from './head/dense-layers.ts';
import { areFew, type SolvedHead, solvedLayers, solveHead } from './head/few-images.ts';
import { type Head, trainHead } from './head/head.ts';
import type { SearchResult } from './head/hyperparameter-search.ts';
import { defaultHyperparameters, type Hyperparameters } from './head/hyperparameters.ts';
import { type LearningCurve, measureLearningCurve } from './head/learning-curve.ts';
import { type SelectedModel, selectModel } from './head/model-selection.ts';
import { type TestResult, testHead } from './head/test-result.ts';
import { deepen, type StageSource } from './last-stage/deepen.ts';
import type { LastStageResult } from './last-stage/last-stage-result.ts';
import { stageHyperparameters } from './last-stage/stage-hyperparameters.ts';
import { type TrainedDetector, trainDetector, trainStageDetector } from './novelty/train-detector.ts';
import type { AutomaticSearch, ChosenModel } from './search/automatic-search.ts';
import { hyperparametersFor, layerCount } from './search/space.ts';
import { stageProgress, type TrainingProgress } from './training-progress.ts';

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
  /** Undefined when the head alone was trained. */
  readonly lastStage: LastStageResult | undefined;
}

/**
 * Selects layers and hyperparameters, trains a head, and tests it on the test images, which have no part in the steps
 * before.
 *
 * @param offered features of all layers that the backbone offers
 * @param further the last stage of the backbone, to train it together with the head; when the head has to be trained
 */
export async function trainAndTest(
  tf: TensorFlow,
  offered: DatasetFeatures,
  classes: number,
  options: FinetuneOptions,
  onProgress: (progress: TrainingProgress) => void,
  further: Pick<Wanted, 'stage' | 'trainBy'> = {},
): Promise<TrainedHead> {
  const fixed = givenHyperparameters(options);
  const count = offered.train.labels.length + offered.validation.labels.length;
  const search = options.search === 'thorough' ? 'none' : options.search;
  if (search === 'none' && Object.keys(fixed).length === 0 && areFew(count, classes)) {
    return solve(tf, offered, { classes, options, ...further }, onProgress);
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
  return train(tf, { ...selected, offered }, { classes, options, ...further }, onProgress);
}

/** Trains the head that a thorough search chose, and tests it. */
export async function trainChosen(
  tf: TensorFlow,
  { candidate, search, trainBy }: ChosenModel,
  offered: DatasetFeatures,
  classes: number,
  options: FinetuneOptions,
  onProgress: (progress: TrainingProgress) => void,
): Promise<TrainedHead> {
  const features = lastLayers(offered, layerCount(candidate.layers, offered.layers.length));
  if (candidate.solved) {
    const usual = await trainAndTest(tf, features, classes, { ...options, layers: undefined }, onProgress, {
      trainBy,
    });
    return { ...usual, automaticSearch: search };
  }
  const { set, labels } = features.train;
  const samples = labels.length + (set.copies?.sources.length ?? 0);
  const fixed = givenHyperparameters(options);
  const hyperparameters = hyperparametersFor(candidate, fixed, options.seed, samples, set.dimension);
  const augmented = set.copies !== undefined;
  const trained = await train(
    tf,
    { offered, features, hyperparameters, augmented, search: undefined },
    { classes, options, trainBy },
    onProgress,
  );
  return { ...trained, automaticSearch: search };
}

/** What both ways to a head need to know. */
interface Wanted {
  readonly classes: number;
  readonly options: FinetuneOptions;
  readonly stage?: StageSource | undefined;
  /** When the head has to be trained, in milliseconds since 1970. */
  readonly trainBy?: number;
}

/** Solves for a head on few images. */
async function solve(
  tf: TensorFlow,
  offered: DatasetFeatures,
  wanted: Wanted,
  onProgress: (progress: TrainingProgress) => void,
): Promise<TrainedHead> {
  const { classes, options } = wanted;
  const { layers, seed } = options;
  onProgress({ phase: 'training' });
  const {
    features,
    head: alone,
    ...solved
  } = solveHead(tf, offered, classes, solvedLayers(offered.layers.length, layers));
  const images = samplesOf(joinImages({ ...features.train, augmented: false }, features.validation));
  // To train a last stage.
  const hyperparameters = defaultHyperparameters(images.labels.length, features.train.set.dimension, seed);
  const unvalidated = { ...offered, validation: { features: new Float32Array(), labels: new Int32Array() } };
  const begin = wanted.stage && solveHead(tf, unvalidated, classes, [features.layers.length]);
  const finished = await finish(
    tf,
    {
      ...{ features, offered, alone, hyperparameters },
      augmented: begin?.augmented ?? false,
      start: begin ? foldTemperature(begin.head.layers, begin.head.temperature) : [],
    },
    wanted,
    onProgress,
  );
  return {
    ...finished,
    hyperparameters: undefined,
    solved,
    learningCurve: measureLearningCurve(tf, { images, classes, penalty: solved.penalty, seed }),
    search: undefined,
  };
}

/** Trains a head by gradient descent. */
async function train(
  tf: TensorFlow,
  { features, offered, augmented, hyperparameters, search }: SelectedModel & { readonly offered: DatasetFeatures },
  wanted: Wanted,
  onProgress: (progress: TrainingProgress) => void,
): Promise<TrainedHead> {
  const { classes, trainBy } = wanted;
  const alone = await trainHead(
    tf,
    {
      images: { ...features.train, augmented },
      validation: features.validation,
      classes,
      ...stageProgress(onProgress, 'training'),
      trainBy,
      onTrained: () => onProgress({ phase: 'evaluating' }),
    },
    hyperparameters,
  );
  return {
    ...(await finish(
      tf,
      { features, offered, alone, hyperparameters, augmented, start: alone.stopped },
      wanted,
      onProgress,
    )),
    hyperparameters,
    solved: undefined,
    learningCurve: undefined,
    search,
  };
}

/** A head that was trained or solved for, and what the training of a last stage begins with. */
interface HeadAlone {
  /** Of the layers that the head reads. */
  readonly features: DatasetFeatures;
  readonly offered: DatasetFeatures;
  readonly alone: Head;
  /** Whether augmented copies were trained on. */
  readonly augmented: boolean;
  /** Layers that no validation image has changed. */
  readonly start: readonly DenseLayer[];
  readonly hyperparameters: Hyperparameters;
}

/** Trains the last stage with a head where that is wanted, and tests the result. */
async function finish(
  tf: TensorFlow,
  { features, offered, alone, augmented, start, hyperparameters }: HeadAlone,
  { classes, options, stage: source }: Wanted,
  onProgress: (progress: TrainingProgress) => void,
): Promise<Pick<TrainedHead, 'reads' | 'layers' | 'head' | 'test' | 'novelty' | 'lastStage'>> {
  const stage = stageHyperparameters(samplesIn(features, augmented), hyperparameters, options);
  const { labelSmoothing } = hyperparameters;
  const deepened =
    source &&
    (await deepen(tf, {
      ...{ source, features, augmented, start, head: alone, labelSmoothing, stage, classes },
      ...stageProgress(onProgress, 'training_last_stage'),
    }));
  onProgress({ phase: 'evaluating' });
  const { head, features: read } = deepened ?? { head: alone, features };
  const isTested = features.test.labels.length > 0;
  return {
    reads: features.layers,
    layers: foldTemperature(head.layers, head.temperature),
    head,
    test: isTested ? testHead(tf, head, { read, offered }, classes) : undefined,
    novelty: deepened?.result.values
      ? trainStageDetector(tf, read, options.seed)
      : trainDetector(tf, { features, classes, seed: options.seed, layers: head.layers }),
    lastStage: deepened?.result,
  };
}

function samplesIn({ train: { labels, set } }: DatasetFeatures, augmented: boolean): number {
  return labels.length + (augmented ? (set.copies?.sources.length ?? 0) : 0);
}
