import type { JsonObject } from '../../common/json.ts';
import type { PreflightReport } from '../dataset/preflight-report.ts';
import type { Baselines, Score } from '../head/baselines.ts';
import type { Calibration } from '../head/calibration.ts';
import { type Evaluation, type JudgedImage, wilsonInterval } from '../head/evaluation.ts';
import type { TunedOn } from '../head/final-head.ts';
import type { Epoch } from '../head/head.ts';
import type { HeadSettings } from '../head/head-settings.ts';
import type { SearchResult } from '../head/search.ts';
import type { CoveragePoint, UnknownThreshold } from '../head/threshold.ts';
import type { TestReport, TrainingReport } from './report-schema.ts';
import { nextSteps, verdictOf } from './report-verdict.ts';

/** What a report is made of. */
export interface ReportInput {
  readonly model: { readonly name: string; readonly version: number };
  readonly backbone: { readonly name: string; readonly version: number; readonly sha256: string };
  readonly classes: readonly string[];
  readonly datasetSha256: string;
  readonly preflight: PreflightReport;
  readonly training: {
    readonly settings: HeadSettings;
    readonly history: readonly Epoch[];
    readonly bestEpoch: number;
    /** Whether the validation images were trained on too, for that many epochs. */
    readonly retrained: boolean;
    /** Of the backbone, which the head reads: their names in the network and how many values each gives. */
    readonly layers: readonly { readonly name: string; readonly size: number }[];
    readonly search?: Pick<SearchResult, 'folds' | 'trials'> | undefined;
  };
  /** Absent when no image was kept for testing. */
  readonly test?: TestResult | undefined;
  readonly provenance: Provenance;
  readonly createdAt: Date;
}

/** What the test images say about a head whose temperature and threshold were chosen on other images. */
export interface TestResult {
  /** Of the answers with the temperature. */
  readonly evaluation: Evaluation;
  readonly temperature: number;
  readonly tunedOn: TunedOn;
  readonly calibration: { readonly before: Calibration; readonly after: Calibration };
  readonly unknown: UnknownThreshold;
  /** What the threshold does on the test images, and what any other would. */
  readonly withheld: CoveragePoint;
  readonly coverage: readonly CoveragePoint[];
  readonly baselines: Baselines;
  /** The version that serves now and knows the same classes, on the same images. */
  readonly current?: { readonly model: string; readonly version: number; readonly accuracy: number } | undefined;
}

/** What it takes to train the same model again. */
export interface Provenance {
  readonly seed: number;
  /** As the client gave them, defaults filled in. */
  readonly options: JsonObject;
  /** Versions by package. */
  readonly libraries: Readonly<Record<string, string>>;
  readonly tensorflowBackend: string;
  /** Seconds by phase. */
  readonly durations: Readonly<Record<string, number>>;
}

/** Points of a curve that a plot can show. */
const MAX_CURVE_POINTS = 200;

/** Writes a report, with its verdict. */
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
      settings: settingsOnDisk(training.settings),
      layers: training.layers.map(({ name, size }) => ({ name, size })),
      best_epoch: training.bestEpoch,
      retrained: training.retrained,
      history: training.history.map(epochOnDisk),
      ...(training.search && { search: searchOnDisk(training.search) }),
    },
    test: test ? testOnDisk(test, input.classes) : null,
    provenance: {
      seed: provenance.seed,
      // Read-only JSON and zod's JSON differ in nothing but that.
      options: structuredClone(provenance.options) as TrainingReport['provenance']['options'],
      libraries: { ...provenance.libraries },
      tensorflow_backend: provenance.tensorflowBackend,
      durations_seconds: { ...provenance.durations },
    },
  };
  return { ...facts, verdict: verdictOf(facts), next_steps: nextSteps(facts) };
}

/** The few figures of a report by which models are compared; null when no image was kept for testing. */
export function summarizeReport({ test }: TrainingReport) {
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
    baselines: {
      majority_class: baselines.majority_class.accuracy,
      nearest_neighbours: baselines.nearest_neighbours.accuracy,
    },
  };
}

function testOnDisk(test: TestResult, classes: readonly string[]): TestReport {
  const { evaluation, calibration, unknown, withheld, baselines, current } = test;
  const nameOf = (index: number): string => {
    const name = classes[index];
    if (name === undefined) throw new Error(`there is no class ${index}`);
    return name;
  };
  const imageOnDisk = ({ id, label, predicted, confidence }: JudgedImage) => ({
    image: id,
    label: nameOf(label),
    predicted: nameOf(predicted),
    confidence: probability(confidence),
  });
  return {
    images: evaluation.count,
    ...scoreOnDisk(evaluation),
    macro_f1: evaluation.macroF1,
    confusion: evaluation.confusion.map((row) => [...row]),
    cells: evaluation.cells.map(({ label, predicted, examples }) => ({
      label: nameOf(label),
      predicted: nameOf(predicted),
      examples: examples.map(({ id, confidence }) => ({ image: id, confidence: probability(confidence) })),
    })),
    per_class: evaluation.perClass.map((scores, index) => ({ class: nameOf(index), ...scores })),
    confused_pairs: evaluation.confusedPairs.map(({ label, predicted, count, share, examples }) => ({
      label: nameOf(label),
      predicted: nameOf(predicted),
      count,
      share,
      examples: [...examples],
    })),
    least_certain: evaluation.leastCertain.map(imageOnDisk),
    worst_mistakes: evaluation.worstMistakes.map(imageOnDisk),
    calibration: {
      temperature: test.temperature,
      tuned_on: test.tunedOn,
      before: calibrationOnDisk(calibration.before),
      after: calibrationOnDisk(calibration.after),
    },
    unknown: {
      threshold: probability(unknown.threshold),
      target: unknown.target,
      reached: unknown.reached,
      coverage: withheld.coverage,
      accuracy: withheld.accuracy,
      curve: thinned(test.coverage).map((point) => ({ ...point, threshold: probability(point.threshold) })),
    },
    baselines: {
      majority_class: { class: nameOf(baselines.majorityClass.label), ...scoreOnDisk(baselines.majorityClass) },
      nearest_neighbours: scoreOnDisk(baselines.nearestNeighbours),
    },
    ...(current && {
      current: {
        ...current,
        ...scoreOnDisk({
          accuracy: current.accuracy,
          interval: wilsonInterval(Math.round(current.accuracy * evaluation.count), evaluation.count),
        }),
      },
    }),
  };
}

/** In single precision a probability, and so a mean of them, may exceed 1 by a hair. */
function probability(value: number): number {
  return Math.min(1, value);
}

function scoreOnDisk({ accuracy, interval }: Score): { accuracy: number; interval: [number, number] } {
  return { accuracy, interval: [interval.low, interval.high] };
}

function calibrationOnDisk({ error, bins }: Calibration): TestReport['calibration']['before'] {
  return { error, bins: bins.map((bin) => ({ ...bin, confidence: probability(bin.confidence) })) };
}

function epochOnDisk({ epoch, loss, accuracy, valLoss, valAccuracy, learningRate }: Epoch) {
  return {
    epoch,
    loss,
    accuracy,
    ...(valLoss !== undefined && { val_loss: valLoss }),
    ...(valAccuracy !== undefined && { val_accuracy: valAccuracy }),
    learning_rate: learningRate,
  };
}

function settingsOnDisk(settings: HeadSettings): TrainingReport['training']['settings'] {
  return {
    hidden_units: [...settings.hiddenUnits],
    dropout: settings.dropout,
    learning_rate: settings.learningRate,
    weight_decay: settings.weightDecay,
    batch_size: settings.batchSize,
    epochs: settings.epochs,
    patience: settings.patience,
    label_smoothing: settings.labelSmoothing,
    class_weights: settings.classWeights,
    seed: settings.seed,
  };
}

function searchOnDisk({ folds, trials }: Pick<SearchResult, 'folds' | 'trials'>) {
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

/** Evenly, the first and the last point among them. */
function thinned(points: readonly CoveragePoint[]): CoveragePoint[] {
  if (points.length <= MAX_CURVE_POINTS) return [...points];
  const step = (points.length - 1) / (MAX_CURVE_POINTS - 1);
  return Array.from({ length: MAX_CURVE_POINTS }, (_, i) => points[Math.round(i * step)]).filter(
    (point) => point !== undefined,
  );
}
