import type { HierarchicalAccuracy } from '../../registry/hierarchical-accuracy.ts';
import type { Calibration } from '../head/calibration.ts';
import { type Score, scoreOf } from '../head/confidence-interval.ts';
import type { JudgedImage } from '../head/evaluation.ts';
import type { CorruptedAnswer, Robustness } from '../head/robustness.ts';
import type { TestResult } from '../head/test-result.ts';
import type { CoveragePoint } from '../head/threshold.ts';
import type { TestReport } from './report-schema.ts';

/** The version in service, and its accuracy on the same test images. */
export interface CurrentVersion {
  readonly model: string;
  readonly version: number;
  readonly accuracy: number;
}

/** Most points of a curve in a report. */
const MAX_CURVE_POINTS = 200;

/** Writes a test result in the terms of `report.json`, with class names in place of indices. */
export function buildTestReport(
  test: TestResult,
  current: CurrentVersion | undefined,
  classes: readonly string[],
  hierarchy?: HierarchicalAccuracy,
): TestReport {
  const { evaluation, calibration, unknown, atThreshold, baselines } = test;
  const nameOf = (index: number): string => {
    const name = classes[index];
    if (name === undefined) throw new Error(`there is no class ${index}`);
    return name;
  };
  const judgedImage = ({ id, label, predicted, confidence }: JudgedImage) => ({
    image: id,
    label: nameOf(label),
    predicted: nameOf(predicted),
    confidence: probability(confidence),
  });
  return {
    images: evaluation.count,
    ...score(evaluation),
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
    least_certain: evaluation.leastCertain.map(judgedImage),
    worst_mistakes: evaluation.worstMistakes.map(judgedImage),
    calibration: {
      temperature: test.temperature,
      tuned_on: test.tunedOn,
      before: calibrationReport(calibration.before),
      after: calibrationReport(calibration.after),
    },
    unknown: {
      threshold: probability(unknown.threshold),
      target: unknown.target,
      reached: unknown.reached,
      coverage: atThreshold.coverage,
      accuracy: atThreshold.accuracy,
      curve: thinned(test.coverage).map((point) => ({ ...point, threshold: probability(point.threshold) })),
    },
    ...(hierarchy && { hierarchy: hierarchyReport(hierarchy) }),
    baselines: {
      majority_class: { class: nameOf(baselines.majorityClass.label), ...score(baselines.majorityClass) },
      nearest_neighbours: score(baselines.nearestNeighbours),
      prototypes: score(baselines.prototypes),
    },
    ...(test.robustness && { robustness: robustnessReport(test.robustness, nameOf) }),
    ...(current && {
      current: {
        ...current,
        ...score({
          ...scoreOf(Math.round(current.accuracy * evaluation.count), evaluation.count),
          accuracy: current.accuracy,
        }),
      },
    }),
  };
}

function hierarchyReport(accuracy: HierarchicalAccuracy): TestReport['hierarchy'] {
  const { precision, recall, f1, mistakeDistance, classDepth, concepts, conceptsOfMistakes } = accuracy;
  return {
    precision,
    recall,
    f1,
    ...(mistakeDistance !== undefined && { mistake_distance: mistakeDistance }),
    class_depth: classDepth,
    concepts,
    concepts_of_mistakes: conceptsOfMistakes,
  };
}

/** Name of the picture of a corrupted image. */
export function corruptedPicture({ id, corruption, severity }: CorruptedAnswer): string {
  return `${corruption} ${severity}: ${id}`;
}

function robustnessReport(
  { images, corruptedAccuracy, meanCorruptionError, relativeRobustness, corruptions, worst }: Robustness,
  nameOf: (index: number) => string,
): TestReport['robustness'] {
  return {
    images,
    corrupted_accuracy: corruptedAccuracy,
    mean_corruption_error: meanCorruptionError,
    relative_robustness: relativeRobustness ?? null,
    corruptions: corruptions.map(({ corruption, accuracy, bySeverity }) => ({
      corruption,
      accuracy,
      by_severity: [...bySeverity],
    })),
    worst: worst.map((answer) => ({
      image: answer.id,
      label: nameOf(answer.label),
      predicted: nameOf(answer.predicted),
      confidence: probability(answer.confidence),
      corruption: answer.corruption,
      severity: answer.severity,
      picture: corruptedPicture(answer),
    })),
  };
}

/** Rounding in single precision can put a probability, and a mean of probabilities, slightly above 1. */
function probability(value: number): number {
  return Math.min(1, value);
}

function score({ accuracy, interval }: Score): { accuracy: number; interval: [number, number] } {
  return { accuracy, interval: [interval.low, interval.high] };
}

function calibrationReport({ error, bins }: Calibration): TestReport['calibration']['before'] {
  return { error, bins: bins.map((bin) => ({ ...bin, confidence: probability(bin.confidence) })) };
}

/** At most `MAX_CURVE_POINTS` points, evenly spaced, including the first and the last. */
function thinned(points: readonly CoveragePoint[]): CoveragePoint[] {
  if (points.length <= MAX_CURVE_POINTS) return [...points];
  const step = (points.length - 1) / (MAX_CURVE_POINTS - 1);
  return Array.from({ length: MAX_CURVE_POINTS }, (_, i) => points[Math.round(i * step)]).filter(
    (point) => point !== undefined,
  );
}
