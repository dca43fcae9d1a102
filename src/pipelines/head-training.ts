import type { TensorFlow } from '../runtime/tensorflow.ts';
import { scoreBaselines } from '../training/baselines.ts';
import { calibrationOf, fitTemperature, foldTemperature } from '../training/calibration.ts';
import { softmaxRows } from '../training/cross-entropy.ts';
import type { FeatureSet } from '../training/cross-validation.ts';
import { evaluate } from '../training/evaluation.ts';
import { type Head, headLogits, type Samples, trainHead } from '../training/head.ts';
import type { DenseLayer } from '../training/head-network.ts';
import { defaultHeadSettings, type HeadSettings } from '../training/head-settings.ts';
import type { TestResult } from '../training/report.ts';
import { type SearchResult, searchSettings } from '../training/search.ts';
import { applyThreshold, chooseThreshold, coverageCurve } from '../training/threshold.ts';
import { chooseWeightDecay } from '../training/weight-decay.ts';
import type { FinetuneOptions } from './finetune-options.ts';
import type { TrainingProgress } from './training-task.ts';

/** Feature vectors of a data set, by what they are for. */
export interface DatasetFeatures {
  /** Training images and their varied copies. */
  readonly train: { readonly set: FeatureSet; readonly labels: Int32Array };
  readonly validation: Samples;
  readonly test: Samples;
  /** How the report names each test image. */
  readonly testNames: readonly string[];
}

/** A head and how it came to be. */
export interface TrainedHead {
  /** Takes raw features; the temperature is folded into the last layer. */
  readonly layers: readonly DenseLayer[];
  readonly settings: HeadSettings;
  readonly head: Head;
  /** What the test images say; undefined when none was held out. */
  readonly test: TestResult | undefined;
  /** Below this probability an answer is `unknown`. */
  readonly unknownThreshold: number;
  /** What was tried for the settings; undefined when they are the defaults. */
  readonly search: SearchResult | undefined;
}

/** Finds settings if asked to, trains a head, calibrates it on the validation images and judges it on the test images. */
export async function trainAndJudge(
  tf: TensorFlow,
  features: DatasetFeatures,
  classes: number,
  options: FinetuneOptions,
  onProgress: (progress: TrainingProgress) => void,
): Promise<TrainedHead> {
  const search = options.search === 'none' ? undefined : await findSettings(tf, features, classes, options, onProgress);
  const train = trainingSamples(features, search?.best.augmented ?? true);
  const settings = search?.settings ?? (await defaultSettings(tf, features, train, classes, options));
  const head = await trainHead(
    tf,
    {
      classes,
      train,
      validation: features.validation,
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
    },
    settings,
  );
  onProgress({ phase: 'evaluating' });
  const tuning = tune(tf, head, features.validation, classes);
  return {
    layers: foldTemperature(head.layers, tuning.temperature),
    settings,
    head,
    test: features.test.labels.length === 0 ? undefined : judge(tf, head, features, classes, tuning),
    unknownThreshold: tuning.unknown.threshold,
    search,
  };
}

type Tuning = Pick<TestResult, 'temperature' | 'unknown'>;

/** Chooses temperature and threshold on the validation images, so that the test images stay a fair judge of both. */
function tune(tf: TensorFlow, { layers }: Head, { features, labels }: Samples, classes: number): Tuning {
  const logits = headLogits(tf, layers, features);
  const temperature = fitTemperature({ logits, labels, classes });
  return { temperature, unknown: chooseThreshold(probabilities(logits, temperature, classes), labels, classes) };
}

function judge(
  tf: TensorFlow,
  { layers }: Head,
  features: DatasetFeatures,
  classes: number,
  { temperature, unknown }: Tuning,
): TestResult {
  const { test, testNames } = features;
  const { labels } = test;
  const logits = headLogits(tf, layers, test.features);
  const before = probabilities(logits, 1, classes);
  const after = probabilities(logits, temperature, classes);
  return {
    evaluation: evaluate({ probabilities: after, labels, classes, ids: testNames }),
    temperature,
    calibration: {
      before: calibrationOf(before, labels, classes),
      after: calibrationOf(after, labels, classes),
    },
    unknown,
    withheld: applyThreshold(after, labels, classes, unknown.threshold),
    coverage: coverageCurve(after, labels, classes),
    baselines: scoreBaselines(tf, trainingSamples(features, false), test, classes),
  };
}

function probabilities(logits: Float32Array, temperature: number, classes: number): Float32Array {
  return softmaxRows(
    logits.map((logit) => logit / temperature),
    classes,
  );
}

/** Settings that need no tuning, with what the client has set in their place. */
async function defaultSettings(
  tf: TensorFlow,
  { train: { set, labels } }: DatasetFeatures,
  samples: Samples,
  classes: number,
  options: FinetuneOptions,
): Promise<HeadSettings> {
  const fixed = fixedSettings(options);
  const settings = { ...defaultHeadSettings(samples.labels.length, set.dimension, options.seed), ...fixed };
  if (fixed.weightDecay !== undefined) return settings;
  return { ...settings, weightDecay: await chooseWeightDecay(tf, { set, labels, classes, settings }) };
}

function findSettings(
  tf: TensorFlow,
  { train }: DatasetFeatures,
  classes: number,
  options: FinetuneOptions,
  onProgress: (progress: TrainingProgress) => void,
): Promise<SearchResult> {
  return searchSettings(tf, {
    level: options.search === 'thorough' ? 'thorough' : 'quick',
    classes,
    labels: train.labels,
    sets: [train.set],
    seed: options.seed,
    fixed: fixedSettings(options),
    onTrial: ({ trial, done, total }) => {
      onProgress({ phase: 'searching', done, total, val_loss: trial.loss, val_accuracy: trial.accuracy });
    },
  });
}

/** The training images, with or without their copies behind them. */
function trainingSamples({ train: { set, labels } }: DatasetFeatures, augmented: boolean): Samples {
  const { originals, copies } = set;
  if (!augmented || copies === undefined) return { features: originals, labels };
  const features = new Float32Array(originals.length + copies.features.length);
  features.set(originals);
  features.set(copies.features, originals.length);
  return {
    features,
    labels: Int32Array.from([...labels, ...Array.from(copies.sources, (source) => labels[source] ?? 0)]),
  };
}

/** What the client has set in place of the defaults. */
function fixedSettings(options: FinetuneOptions): Partial<HeadSettings> {
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
