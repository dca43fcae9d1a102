import type { DenseLayer } from './dense-layers.ts';
import { argmaxRows, softmaxRows } from './softmax.ts';

/** Logits of labelled images. */
export interface LabelledLogits {
  /** `[n, classes]` */
  readonly logits: Float32Array;
  /** `[n]`, each in 0..classes-1. */
  readonly labels: Int32Array;
  readonly classes: number;
}

/** Predictions of similar confidence. An empty bin has confidence 0 and accuracy 0. */
export interface ReliabilityBin {
  /** The bin holds confidences above `low`, up to and including `high`. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean confidence of the predictions. */
  readonly confidence: number;
  /** Share of the predictions that are right. */
  readonly accuracy: number;
}

/** How well confidences match accuracies. */
export interface Calibration {
  /** Expected calibration error, 0..1. */
  readonly error: number;
  readonly bins: readonly ReliabilityBin[];
}

const BINS = 15;

/**
 * Expected calibration error over 15 bins of equal width (Guo et al. 2017): the mean difference between confidence and
 * accuracy, each bin weighted by its number of predictions.
 */
export function calibrationOf(probabilities: Float32Array, labels: Int32Array, classes: number): Calibration {
  const predicted = argmaxRows(probabilities, classes);
  const sums = Array.from({ length: BINS }, () => ({ count: 0, confidence: 0, correct: 0 }));
  predicted.forEach((label, row) => {
    const confidence = probabilities[row * classes + label] ?? 0;
    const bin = sums[Math.min(BINS - 1, Math.max(0, Math.ceil(confidence * BINS) - 1))];
    if (bin === undefined) throw new Error(`the confidence ${confidence} is not a probability`);
    bin.count += 1;
    bin.confidence += confidence;
    if (label === labels[row]) bin.correct += 1;
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

/** Probabilities `[n, classes]`: the softmax of `logits / temperature`. */
export function scaledSoftmax(logits: Float32Array, temperature: number, classes: number): Float32Array {
  return softmaxRows(
    logits.map((logit) => logit / temperature),
    classes,
  );
}

/** Bounds of the temperature. */
const MIN_TEMPERATURE = 0.05;
const MAX_TEMPERATURE = 20;
const BISECTIONS = 40;

/**
 * Temperature scaling (Guo et al. 2017): the temperature for which softmax(logits / temperature) has the lowest
 * negative log-likelihood on held-out labels. The likelihood is convex in the inverse temperature, so bisection of its
 * derivative finds the minimum. Without images the temperature is 1.
 *
 * If all n images are predicted right, the minimum would be at temperature 0, that is at full certainty. So the target
 * probability of each label is (n + 1) / (n + 2), the rule of succession's estimate after n right predictions; with n
 * in the hundreds this makes no other difference.
 */
export function fitTemperature({ logits, labels, classes }: LabelledLogits): number {
  if (labels.length === 0) return 1;
  let low = 1 / MAX_TEMPERATURE;
  let high = 1 / MIN_TEMPERATURE;
  for (let i = 0; i < BISECTIONS; i++) {
    // Halves the range of the temperature's logarithm.
    const middle = Math.sqrt(low * high);
    if (likelihoodSlope({ logits, labels, classes }, middle) > 0) high = middle;
    else low = middle;
  }
  return 1 / Math.sqrt(low * high);
}

/** Derivative of the mean negative log-likelihood with respect to the inverse temperature; it is increasing. */
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

/** The layers with the last one divided by `temperature`, and so their logits. */
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
