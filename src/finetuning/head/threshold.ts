import { argmaxRows } from './cross-entropy.ts';

/** What becomes of the answers when those less certain than a threshold are withheld. */
export interface CoveragePoint {
  readonly threshold: number;
  /** Share of the images that get an answer. */
  readonly coverage: number;
  /** Share of those answers that are right. */
  readonly accuracy: number;
}

/** The confidence below which the answer is `unknown`. */
export interface UnknownThreshold {
  /** 0 when no answer is withheld. */
  readonly threshold: number;
  /** The accuracy that accepted answers should have. */
  readonly target: number;
  /** Whether any threshold reaches the target; if not, no answer is withheld. */
  readonly reached: boolean;
}

/** Fewer accepted answers than these say nothing about their accuracy. */
const MIN_ACCEPTED = 10;

/** One point for each confidence that occurs, from all answers accepted to the most certain ones only. */
export function coverageCurve(probabilities: Float32Array, labels: Int32Array, classes: number): CoveragePoint[] {
  const predicted = argmaxRows(probabilities, classes);
  const answers = Array.from(predicted, (answer, row) => ({
    confidence: probabilities[row * classes + answer] ?? 0,
    correct: answer === labels[row],
  })).sort((a, b) => b.confidence - a.confidence);
  const points: CoveragePoint[] = [];
  let correct = 0;
  answers.forEach((answer, index) => {
    if (answer.correct) correct += 1;
    // Answers of one confidence are accepted together.
    if (answers[index + 1]?.confidence === answer.confidence) return;
    const accepted = index + 1;
    points.push({
      threshold: answer.confidence,
      coverage: accepted / answers.length,
      accuracy: correct / accepted,
    });
  });
  return points.reverse();
}

/**
 * The smallest threshold at which accepted answers to held-out images reach the target accuracy. It is the confidence of
 * the least certain accepted answer: what is less certain than anything seen to be right is unknown. Where not even ten
 * answers reach the target the data can't support a threshold, and none is set.
 *
 * @param target by default accepted answers shall be wrong half as often as all answers
 */
export function chooseThreshold(
  probabilities: Float32Array,
  labels: Int32Array,
  classes: number,
  target?: number,
): UnknownThreshold {
  const curve = coverageCurve(probabilities, labels, classes);
  const all = curve[0];
  const wanted = target ?? (all === undefined ? 1 : (1 + all.accuracy) / 2);
  const least = curve.find(
    ({ coverage, accuracy }) => accuracy >= wanted && Math.round(coverage * labels.length) >= MIN_ACCEPTED,
  );
  return { threshold: least?.threshold ?? 0, target: wanted, reached: least !== undefined };
}

/** What a threshold, chosen on other images, does to these. Accuracy is 0 when no answer is accepted. */
export function applyThreshold(
  probabilities: Float32Array,
  labels: Int32Array,
  classes: number,
  threshold: number,
): CoveragePoint {
  const predicted = argmaxRows(probabilities, classes);
  let accepted = 0;
  let correct = 0;
  predicted.forEach((answer, row) => {
    if ((probabilities[row * classes + answer] ?? 0) < threshold) return;
    accepted += 1;
    if (answer === labels[row]) correct += 1;
  });
  return { threshold, coverage: accepted / labels.length, accuracy: accepted === 0 ? 0 : correct / accepted };
}
