import { argmaxRows } from './softmax.ts';

/** Coverage and accuracy when predictions with a confidence below `threshold` become `unknown`. */
export interface CoveragePoint {
  readonly threshold: number;
  /** Share of the images whose prediction is kept. */
  readonly coverage: number;
  /** Share of the kept predictions that are right. */
  readonly accuracy: number;
}

/** The confidence below which the answer is `unknown`. */
export interface UnknownThreshold {
  /** 0 when every prediction is kept. */
  readonly threshold: number;
  /** The accuracy that kept predictions should have. */
  readonly target: number;
  /** Whether a threshold reaches the target; if not, every prediction is kept. */
  readonly reached: boolean;
}

/** With fewer kept predictions their accuracy is too uncertain to choose a threshold by. */
const MIN_KEPT = 10;

/** One point for each confidence that occurs, in ascending order: the first keeps every prediction. */
export function coverageCurve(probabilities: Float32Array, labels: Int32Array, classes: number): CoveragePoint[] {
  const predicted = argmaxRows(probabilities, classes);
  const predictions = Array.from(predicted, (label, row) => ({
    confidence: probabilities[row * classes + label] ?? 0,
    correct: label === labels[row],
  })).sort((a, b) => b.confidence - a.confidence);
  const points: CoveragePoint[] = [];
  let correct = 0;
  predictions.forEach(({ confidence, correct: isCorrect }, index) => {
    if (isCorrect) correct += 1;
    // Predictions of equal confidence are kept or not kept together.
    if (predictions[index + 1]?.confidence === confidence) return;
    const kept = index + 1;
    points.push({
      threshold: confidence,
      coverage: kept / predictions.length,
      accuracy: correct / kept,
    });
  });
  return points.reverse();
}

/**
 * Chooses the smallest threshold that halves the error rate: at which the accuracy of the kept predictions for
 * held-out images is halfway between that of all predictions and 1. If fewer than ten predictions would be kept, the
 * data cannot support a threshold and every prediction is kept.
 */
export function chooseThreshold(probabilities: Float32Array, labels: Int32Array, classes: number): UnknownThreshold {
  const curve = coverageCurve(probabilities, labels, classes);
  const all = curve[0];
  const target = all === undefined ? 1 : (1 + all.accuracy) / 2;
  const least = curve.find(
    ({ coverage, accuracy }) => accuracy >= target && Math.round(coverage * labels.length) >= MIN_KEPT,
  );
  return { threshold: least?.threshold ?? 0, target, reached: least !== undefined };
}

/** Applies a threshold that was chosen on other images. The accuracy is 0 when no prediction is kept. */
export function applyThreshold(
  probabilities: Float32Array,
  labels: Int32Array,
  classes: number,
  threshold: number,
): CoveragePoint {
  const predicted = argmaxRows(probabilities, classes);
  let kept = 0;
  let correct = 0;
  predicted.forEach((label, row) => {
    if ((probabilities[row * classes + label] ?? 0) < threshold) return;
    kept += 1;
    if (label === labels[row]) correct += 1;
  });
  return { threshold, coverage: kept / labels.length, accuracy: kept === 0 ? 0 : correct / kept };
}
