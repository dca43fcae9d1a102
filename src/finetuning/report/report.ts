import type { JsonObject } from '../../common/json.ts';
import type { HierarchicalAccuracy } from '../../registry/hierarchical-accuracy.ts';
import type { PreflightReport } from '../dataset/preflight-report.ts';
import type { SolvedHead } from '../head/few-images.ts';
import type { SearchResult } from '../head/hyperparameter-search.ts';
import type { Hyperparameters } from '../head/hyperparameters.ts';
import type { LearningCurve } from '../head/learning-curve.ts';
import type { TestResult } from '../head/test-result.ts';
import type { Epoch } from '../head/training-loop.ts';
import type { LastStageResult } from '../last-stage/last-stage-result.ts';
import type { TrainedDetector } from '../novelty/train-detector.ts';
import type { AutomaticSearch } from '../search/automatic-search.ts';
import { nextSteps } from './next-steps.ts';
import { buildNoveltyReport } from './novelty-report.ts';
import type { TrainingReport } from './report-schema.ts';
import { buildTestReport, type CurrentVersion } from './test-report.ts';
import { verdictOf } from './verdict.ts';

/** Input of `buildTrainingReport`. */
export interface ReportInput {
  readonly model: { readonly name: string; readonly version: number };
  readonly backbone: { readonly name: string; readonly version: number; readonly sha256: string };
  readonly classes: readonly string[];
  readonly datasetSha256: string;
  readonly preflight: PreflightReport;
  readonly training: {
    /** Undefined when the head was solved for. */
    readonly hyperparameters: Hyperparameters | undefined;
    /** How the head was solved for; undefined when it was trained. */
    readonly solved?: Pick<SolvedHead, 'penalty' | 'prototypes' | 'augmented'> | undefined;
    readonly learningCurve?: LearningCurve | undefined;
    readonly history: readonly Epoch[];
    readonly bestEpoch: number;
    /** Whether training went on with the validation images after early stopping. */
    readonly retrained: boolean;
    /** Layers of the backbone that the head reads: their names in the network and numbers of values. */
    readonly layers: readonly { readonly name: string; readonly size: number }[];
    /** Undefined when the head alone was trained. */
    readonly lastStage?: LastStageResult | undefined;
    readonly search?: Pick<SearchResult, 'folds' | 'trials'> | undefined;
    readonly automaticSearch?: AutomaticSearch | undefined;
  };
  /** Undefined when there are no test images. */
  readonly test?: TestResult | undefined;
  /** Of the test images; undefined when no class has a synset that the zoo knows. */
  readonly hierarchy?: HierarchicalAccuracy | undefined;
  /** The detector of unknown images. */
  readonly novelty: TrainedDetector;
  /** The version in service, if it has the same classes. */
  readonly current?: CurrentVersion | undefined;
  readonly provenance: Provenance;
  readonly createdAt: Date;
}

/** What is needed to train the same model again. */
export interface Provenance {
  readonly seed: number;
  /** Options of the request, with defaults filled in. */
  readonly options: JsonObject;
  /** Version of each package. */
  readonly libraries: Readonly<Record<string, string>>;
  readonly tensorflowBackend: string;
  /** Duration of each phase in seconds. */
  readonly durations: Readonly<Record<string, number>>;
}

/** Builds a report, with its verdict and next steps. */
export function buildTrainingReport(input: ReportInput): TrainingReport {
  const { training, provenance, test } = input;
  const facts = {
    schema: 1 as const,
    created_at: input.createdAt.toISOString(),
    model: { ...input.model },
    backbone: { ...input.backbone },
    classes: [...input.classes],
    dataset: { sha256: input.datasetSha256, preflight: input.preflight },
    training: {
      settings: settingsOf(training),
      layers: training.layers.map(({ name, size }) => ({ name, size })),
      best_epoch: training.bestEpoch,
      retrained: training.retrained,
      history: training.history.map(epochOf),
      ...(training.learningCurve && { learning_curve: learningCurveOf(training.learningCurve, input.classes.length) }),
      ...(training.lastStage && { last_stage: lastStageOf(training.lastStage) }),
      ...(training.search && { search: searchOf(training.search) }),
      ...(training.automaticSearch && { automatic_search: automaticSearchOf(training.automaticSearch) }),
    },
    test: test ? buildTestReport(test, input.current, input.classes, input.hierarchy) : null,
    novelty: buildNoveltyReport(input.novelty),
    provenance: {
      seed: provenance.seed,
      // The two JSON types differ only in `readonly`.
      options: structuredClone(provenance.options) as TrainingReport['provenance']['options'],
      libraries: { ...provenance.libraries },
      tensorflow_backend: provenance.tensorflowBackend,
      durations_seconds: { ...provenance.durations },
    },
  };
  return { ...facts, verdict: verdictOf(facts), next_steps: nextSteps(facts) };
}

/** The figures of a report that models are compared by; null when there are no test images. */
export function summarizeReport({ test, novelty }: TrainingReport) {
  if (test === null) return null;
  const { calibration, unknown, baselines } = test;
  return {
    test_images: test.images,
    accuracy: test.accuracy,
    interval: test.interval,
    macro_f1: test.macro_f1,
    calibration_error: { before: calibration.before.error, after: calibration.after.error },
    temperature: calibration.temperature,
    unknown: { threshold: unknown.threshold, coverage: unknown.coverage, accuracy: unknown.accuracy },
    ...(novelty && { novelty }),
    baselines: {
      majority_class: baselines.majority_class.accuracy,
      nearest_neighbours: baselines.nearest_neighbours.accuracy,
      prototypes: baselines.prototypes?.accuracy ?? null,
    },
  };
}

/** How a last stage was trained, in the words of the report. */
export function lastStageOf(result: LastStageResult): NonNullable<TrainingReport['training']['last_stage']> {
  const { history, bestEpoch, parameters, validationImages, secondsPerEpoch } = result;
  return {
    published: bestEpoch > 0,
    best_epoch: bestEpoch,
    parameters,
    validation_images: validationImages,
    seconds_per_epoch: Math.round(secondsPerEpoch * 10) / 10,
    history: history.map(epochOf),
  };
}

/** An epoch in the words of the report. */
export function epochOf({ epoch, loss, accuracy, valLoss, valAccuracy, learningRate }: Epoch) {
  return {
    epoch,
    loss,
    accuracy,
    ...(valLoss !== undefined && { val_loss: valLoss }),
    ...(valAccuracy !== undefined && { val_accuracy: valAccuracy }),
    learning_rate: learningRate,
  };
}

/** Settings of the training in the words of the report. */
export function settingsOf({
  hyperparameters,
  solved,
}: Pick<ReportInput['training'], 'hyperparameters' | 'solved'>): TrainingReport['training']['settings'] {
  if (hyperparameters === undefined) {
    return {
      solver: 'ridge_regression',
      penalty: solved?.penalty ?? 0,
      prototype_weight: solved?.prototypes ?? 0,
      augmented_copies: solved?.augmented ?? false,
    };
  }
  return {
    hidden_units: [...hyperparameters.hiddenUnits],
    dropout: hyperparameters.dropout,
    learning_rate: hyperparameters.learningRate,
    weight_decay: hyperparameters.weightDecay,
    batch_size: hyperparameters.batchSize,
    epochs: hyperparameters.epochs,
    patience: hyperparameters.patience,
    label_smoothing: hyperparameters.labelSmoothing,
    class_weights: hyperparameters.classWeights,
    seed: hyperparameters.seed,
  };
}

function learningCurveOf({ points, forecasts }: LearningCurve, classes: number) {
  return {
    points: points.map(({ images, accuracy, error }) => ({
      images,
      images_per_class: images / classes,
      accuracy,
      standard_error: error,
    })),
    forecasts: forecasts.map(({ images, accuracy, interval: { low, high } }) => ({
      images,
      images_per_class: images / classes,
      accuracy,
      interval: [low, high] as [number, number],
    })),
  };
}

function automaticSearchOf(search: AutomaticSearch) {
  return {
    prefer: search.preference,
    budget_minutes: search.budgetMinutes,
    out_of_time: search.outOfTime,
    rungs: search.rungs.map(({ images, folds, solved }) => ({ images, folds, solved })),
    trials: search.trials.map(({ candidate, rung, images, accuracy, spread, latency, timing, front, chosen }) => ({
      rung: rung + 1,
      images,
      backbone: candidate.backbone,
      layers: candidate.layers,
      copies: candidate.copies,
      solved: candidate.solved,
      hidden_units: [...candidate.hiddenUnits],
      dropout: candidate.dropout,
      weight_decay_factor: candidate.weightDecayFactor,
      accuracy,
      spread,
      latency_ms: rounded(latency),
      clock: {
        seconds_left: rounded(timing.left / 1000),
        expected_seconds: rounded(timing.expected / 1000),
        reserved_seconds: rounded(timing.reserved / 1000),
      },
      front,
      chosen,
    })),
    left_out: search.leftOut.map(({ backbone, reason }) => ({ backbone, reason })),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function searchOf({ folds, trials }: Pick<SearchResult, 'folds' | 'trials'>) {
  return {
    folds,
    trials: trials.map((trial) => ({
      features: trial.features,
      augmented: trial.augmented,
      hidden_units: [...trial.hiddenUnits],
      learning_rate_factor: trial.learningRateFactor,
      weight_decay_factor: trial.weightDecayFactor,
      accuracy: trial.accuracy,
      loss: trial.loss,
      chosen: trial.chosen,
    })),
  };
}
