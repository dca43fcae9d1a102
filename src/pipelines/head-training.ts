import type { OfferedLayer } from '../convert/layered-network.ts';
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
import { type SearchLevel, type SearchResult, searchSettings } from '../training/search.ts';
import { applyThreshold, chooseThreshold, coverageCurve } from '../training/threshold.ts';
import { chooseWeightDecay } from '../training/weight-decay.ts';
import type { FinetuneOptions } from './finetune-options.ts';
import type { TrainingProgress } from './training-task.ts';

/** Feature vectors of a data set, by what they are for. */
export interface DatasetFeatures {
  /** What the columns are, in their order; the last are the backbone's own features. */
  readonly layers: readonly OfferedLayer[];
  /** Training images and their varied copies. */
  readonly train: { readonly set: FeatureSet; readonly labels: Int32Array };
  readonly validation: Samples;
  readonly test: Samples;
  /** How the report names each test image. */
  readonly testNames: readonly string[];
}

/** A head and how it came to be. */
export interface TrainedHead {
  /** Of the backbone, which the head reads; the last is the backbone's own features. */
  readonly reads: readonly OfferedLayer[];
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

/** Finds layers and settings if asked to, trains a head, calibrates it on the validation images and judges it on the test images. */
export async function trainAndJudge(
  tf: TensorFlow,
  offered: DatasetFeatures,
  classes: number,
  options: FinetuneOptions,
  onProgress: (progress: TrainingProgress) => void,
): Promise<TrainedHead> {
  const search = options.search === 'none' ? undefined : await findSettings(tf, offered, classes, options, onProgress);
  const features = lastLayers(offered, search?.layers ?? 1);
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
    reads: features.layers,
    layers: foldTemperature(head.layers, tuning.temperature),
    settings,
    head,
    test:
      features.test.labels.length === 0
        ? undefined
        : judge(tf, head, features, lastLayers(offered, 1), classes, tuning),
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
  plain: DatasetFeatures,
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
    // Neighbours are told apart by the backbone's own features: earlier ones differ in scale.
    baselines: scoreBaselines(tf, trainingSamples(plain, false), plain.test, classes),
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

/** What a search found: settings, and how many of the backbone's last layers the head shall read. */
interface Found extends SearchResult {
  readonly layers: number;
}

async function findSettings(
  tf: TensorFlow,
  features: DatasetFeatures,
  classes: number,
  options: FinetuneOptions,
  onProgress: (progress: TrainingProgress) => void,
): Promise<Found> {
  const level = options.search === 'thorough' ? 'thorough' : 'quick';
  const choices = layerChoices(level, features.layers.length);
  const sets = choices.map((layers) => ({ ...lastLayers(features, layers).train.set, name: setName(layers) }));
  const result = await searchSettings(tf, {
    level,
    classes,
    labels: features.train.labels,
    sets,
    seed: options.seed,
    fixed: fixedSettings(options),
    onTrial: ({ trial, done, total }) => {
      onProgress({ phase: 'searching', done, total, val_loss: trial.loss, val_accuracy: trial.accuracy });
    },
  });
  return { ...result, layers: choices.find((layers) => setName(layers) === result.best.features) ?? 1 };
}

/** How many of a backbone's last layers to try: one by one, or one and all. */
function layerChoices(level: SearchLevel, offered: number): number[] {
  return level === 'thorough' ? Array.from({ length: offered }, (_, index) => index + 1) : [...new Set([1, offered])];
}

function setName(layers: number): string {
  return layers === 1 ? 'last layer' : `last ${layers} layers`;
}

/** The features of the last `count` layers alone. */
function lastLayers(features: DatasetFeatures, count: number): DatasetFeatures {
  const { layers, train, validation, test } = features;
  if (count === layers.length) return features;
  const kept = layers.slice(-count);
  const all = layers.reduce((sum, { size }) => sum + size, 0);
  const dimension = kept.reduce((sum, { size }) => sum + size, 0);
  const cut = (matrix: Float32Array): Float32Array => lastColumns(matrix, all, dimension);
  const { originals, copies } = train.set;
  return {
    ...features,
    layers: kept,
    train: {
      ...train,
      set: {
        ...train.set,
        dimension,
        originals: cut(originals),
        ...(copies && { copies: { ...copies, features: cut(copies.features) } }),
      },
    },
    validation: { ...validation, features: cut(validation.features) },
    test: { ...test, features: cut(test.features) },
  };
}

/** The last `kept` columns of a matrix of `width`. */
function lastColumns(matrix: Float32Array, width: number, kept: number): Float32Array {
  const rows = matrix.length / width;
  const result = new Float32Array(rows * kept);
  for (let row = 0; row < rows; row++) {
    result.set(matrix.subarray((row + 1) * width - kept, (row + 1) * width), row * kept);
  }
  return result;
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
