import { argmaxRows, softmaxRows } from './cross-entropy.ts';
import type { DenseLayer } from './head-network.ts';

/** Logits of images whose labels are known. */
export interface LabelledLogits {
  /** `[n, classes]` */
  readonly logits: Float32Array;
  /** `[n]`, each in 0..classes-1. */
  readonly labels: Int32Array;
  readonly classes: number;
}

/** Answers of like confidence. An empty bin has confidence and accuracy 0. */
export interface ReliabilityBin {
  /** Confidences from above `low` to `high`. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean probability of the answers. */
  readonly confidence: number;
  /** Share of the answers that are right. */
  readonly accuracy: number;
}

/** How far confidences can be believed. */
export interface Calibration {
  /** Expected calibration error, 0..1. */
  readonly error: number;
  readonly bins: readonly ReliabilityBin[];
}

const BINS = 15;

/**
 * Expected calibration error over 15 bins of equal width (Guo et al. 2017): the gap between confidence and accuracy,
 * averaged over the answers.
 */
export function calibrationOf(probabilities: Float32Array, labels: Int32Array, classes: number): Calibration {
  const predicted = argmaxRows(probabilities, classes);
  const sums = Array.from({ length: BINS }, () => ({ count: 0, confidence: 0, correct: 0 }));
  predicted.forEach((answer, row) => {
    const confidence = probabilities[row * classes + answer] ?? 0;
    const bin = sums[Math.min(BINS - 1, Math.max(0, Math.ceil(confidence * BINS) - 1))];
    if (bin === undefined) throw new Error(`${confidence} is not a probability`);
    bin.count += 1;
    bin.confidence += confidence;
    if (answer === labels[row]) bin.correct += 1;
  });
  const bins = sums.map(({ count, confidence, correct }, index) => ({
    low: index / BINS,
    high: (index + 1) / BINS,
    count,
    confidence: count === 0 ? 0 : confidence / count,
    accuracy: count === 0 ? 0 : correct / count,
  }));
  const gap = bins.reduce((sum, bin) => sum + bin.count * Math.abs(bin.confidence - bin.accuracy), 0);
  return { error: gap / labels.length, bins };
}

/** Bounds of the search for a temperature. */
const COLDEST = 0.05;
const HOTTEST = 20;
const BISECTIONS = 40;

/**
 * The temperature that the logits must be divided by for the likelihood of held-out labels to be largest (Guo et al.
 * 2017). In the inverse temperature that is a convex problem of one dimension, so bisection of the derivative solves it.
 *
 * Images that are all answered right would ask for a temperature of zero, that is for certainty. So each label counts as
 * right only with (n + 1) / (n + 2), which is the rule of succession's estimate after n right answers; with n in the
 * hundreds it changes nothing else. Without any image the temperature is 1.
 */
export function fitTemperature({ logits, labels, classes }: LabelledLogits): number {
  if (labels.length === 0) return 1;
  let low = 1 / HOTTEST;
  let high = 1 / COLDEST;
  for (let i = 0; i < BISECTIONS; i++) {
    // Halves the range of the temperature's logarithm.
    const middle = Math.sqrt(low * high);
    if (likelihoodSlope({ logits, labels, classes }, middle) > 0) high = middle;
    else low = middle;
  }
  return 1 / Math.sqrt(low * high);
}

/** Derivative of the mean negative log-likelihood by the inverse temperature; it grows with it. */
function likelihoodSlope({ logits, labels, classes }: LabelledLogits, inverse: number): number {
  const doubt = 1 / (labels.length + 2);
  const probabilities = softmaxRows(
    logits.map((logit) => logit * inverse),
    classes,
  );
  let slope = 0;
  labels.forEach((label, row) => {
    for (let k = 0; k < classes; k++) {
      const target = k === label ? 1 - doubt : doubt / (classes - 1);
      slope += ((probabilities[row * classes + k] ?? 0) - target) * (logits[row * classes + k] ?? 0);
    }
  });
  return slope / labels.length;
}

/** Layers whose logits are those of `layers` divided by `temperature`. */
export function foldTemperature(layers: readonly DenseLayer[], temperature: number): DenseLayer[] {
  return layers.map((layer, index) =>
    index < layers.length - 1
      ? layer
      : {
          ...layer,
          weight: layer.weight.map((value) => value / temperature),
          bias: layer.bias.map((value) => value / temperature),
        },
  );
}
