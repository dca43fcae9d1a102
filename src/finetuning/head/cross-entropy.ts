/** Softmax of each row of `logits` `[rows, classes]`. */
export function softmaxRows(logits: Float32Array, classes: number): Float32Array {
  const result = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    let max = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < classes; k++) max = Math.max(max, logits[start + k] ?? 0);
    let sum = 0;
    for (let k = 0; k < classes; k++) sum += Math.exp((logits[start + k] ?? 0) - max);
    for (let k = 0; k < classes; k++) result[start + k] = Math.exp((logits[start + k] ?? 0) - max) / sum;
  }
  return result;
}

/** Index of the largest value of each row of `[rows, classes]`; the first of equals. */
export function argmaxRows(values: Float32Array, classes: number): Int32Array {
  const result = new Int32Array(values.length / classes);
  for (let row = 0; row < result.length; row++) {
    let best = 0;
    for (let k = 1; k < classes; k++) {
      if ((values[row * classes + k] ?? 0) > (values[row * classes + best] ?? 0)) best = k;
    }
    result[row] = best;
  }
  return result;
}

/** How well logits fit their labels, and which way to move them. */
export interface CrossEntropy {
  /** Weighted mean over the rows, in nats. */
  readonly loss: number;
  /** Derivative of `loss` by each logit, `[rows, classes]`. */
  readonly gradient: Float32Array;
}

/**
 * Softmax cross-entropy of `logits` `[rows, classes]` against `labels` `[rows]`. Row weights have mean 1 over the data
 * set, so the mean divides by the number of rows, not by the sum of a batch's own weights. `labelSmoothing` spreads that
 * share of the target evenly over the classes (Szegedy et al. 2016).
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

/** Least normal single-precision number: a probability that underflowed to 0 costs 87 nats, not infinity. */
const MIN_PROBABILITY = 1.1754943508222875e-38;
