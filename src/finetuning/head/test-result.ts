import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { type DatasetFeatures, lastLayers } from '../features/dataset-features.ts';
import { samplesOf } from '../features/feature-set.ts';
import { type Baselines, scoreBaselines } from './baselines.ts';
import { type Calibration, calibrationOf, scaledSoftmax } from './calibration.ts';
import { computeLogits } from './dense-layers.ts';
import { type Evaluation, evaluate } from './evaluation.ts';
import type { Head, TunedOn } from './head.ts';
import { type Robustness, RobustnessTally } from './robustness.ts';
import { argmaxRows } from './softmax.ts';
import { applyThreshold, type CoveragePoint, coverageCurve, type UnknownThreshold } from './threshold.ts';

/** Result of testing a head on images that had no part in training or tuning it. */
export interface TestResult {
  /** `[n, classes]`, with the head's temperature; each row sums to 1. */
  readonly probabilities: Float32Array;
  /** `[n]`, each in 0..classes-1. */
  readonly labels: Int32Array;
  /** Of the predictions with the head's temperature. */
  readonly evaluation: Evaluation;
  readonly temperature: number;
  readonly tunedOn: TunedOn;
  /** Before and after the logits are divided by the temperature. */
  readonly calibration: { readonly before: Calibration; readonly after: Calibration };
  readonly unknown: UnknownThreshold;
  /** Coverage and accuracy of the test images at the threshold. */
  readonly atThreshold: CoveragePoint;
  /** The same for every other threshold. */
  readonly coverage: readonly CoveragePoint[];
  readonly baselines: Baselines;
  /** Undefined when no corrupted images were computed. */
  readonly robustness: Robustness | undefined;
}

/** The features to test a head on. */
export interface TestFeatures {
  /** Features of the layers that the head reads. */
  readonly read: DatasetFeatures;
  /** Features of all layers that the backbone offers. */
  readonly offered: DatasetFeatures;
}

/** Tests a head on the test images, of which there must be at least one. */
export function testHead(
  tf: TensorFlow,
  { layers, temperature, unknown, tunedOn }: Head,
  { read: { test, testNames, corrupted }, offered }: TestFeatures,
  classes: number,
): TestResult {
  const { labels } = test;
  const logits = computeLogits(tf, layers, test.features);
  const before = scaledSoftmax(logits, 1, classes);
  const after = scaledSoftmax(logits, temperature, classes);
  // Nearest neighbours use the last layer alone: the scale of the earlier layers' features differs.
  const last = lastLayers(offered, 1);
  const evaluation = evaluate({ probabilities: after, labels, classes, ids: testNames });
  return {
    probabilities: after,
    labels,
    evaluation,
    temperature,
    tunedOn,
    calibration: {
      before: calibrationOf(before, labels, classes),
      after: calibrationOf(after, labels, classes),
    },
    unknown,
    atThreshold: applyThreshold(after, labels, classes, unknown.threshold),
    coverage: coverageCurve(after, labels, classes),
    baselines: scoreBaselines(tf, samplesOf({ ...last.train, augmented: false }), last.test, classes),
    robustness: corrupted && robustnessOf(evaluation.accuracy),
  };

  function robustnessOf(accuracy: number): Robustness | undefined {
    const { rows, features } = corrupted ?? { rows: [], features: new Float32Array() };
    const answers = scaledSoftmax(computeLogits(tf, layers, features), temperature, classes);
    const before = argmaxRows(after, classes);
    const predicted = argmaxRows(answers, classes);
    const tally = new RobustnessTally();
    for (const [row, { image, ...kind }] of rows.entries()) {
      const [label, answer] = [labels[image] ?? 0, predicted[row] ?? 0];
      tally.add({
        ...kind,
        id: testNames[image] ?? '',
        label,
        predicted: answer,
        confidence: answers[row * classes + answer] ?? 0,
        rightBefore: before[image] === label,
      });
    }
    return tally.result(accuracy);
  }
}
