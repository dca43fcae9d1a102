import { softmaxRows } from './softmax.ts';

/** The cross-entropy loss and its gradient. */
export interface CrossEntropy {
  /** Weighted mean over the rows, in nats. */
  readonly loss: number;
  /** Derivative of `loss` with respect to each logit, `[rows, classes]`. */
  readonly gradient: Float32Array;
}

/** Smallest normal single-precision number: a probability that underflowed to 0 costs 87 nats instead of infinity. */
const MIN_PROBABILITY = 1.1754943508222875e-38;

/**
 * Softmax cross-entropy of `logits` `[rows, classes]` and `labels` `[rows]`.
 *
 * @param weights `[rows]`, with mean 1 over the whole data set. The loss is therefore divided by the number of rows,
 *   not by the sum of the batch's own weights.
 * @param labelSmoothing share of the target probability that is spread evenly over all classes (Szegedy et al. 2016)
 */
export function crossEntropy(
  logits: Float32Array,
  classes: number,
  labels: Int32Array,
  weights: Float32Array,
  labelSmoothing = 0,
): CrossEntropy {
  const gradient = softmaxRows(logits, classes);
  const rows = labels.length;
  const spread = labelSmoothing / classes;
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    const label = labels[row] ?? 0;
    const weight = (weights[row] ?? 0) / rows;
    for (let k = 0; k < classes; k++) {
      const index = row * classes + k;
      const probability = gradient[index] ?? 0;
      const target = spread + (k === label ? 1 - labelSmoothing : 0);
      if (target > 0) loss -= weight * target * Math.log(Math.max(probability, MIN_PROBABILITY));
      gradient[index] = weight * (probability - target);
    }
  }
  return { loss, gradient };
}
