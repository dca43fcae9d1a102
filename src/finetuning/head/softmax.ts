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

/** Index of the largest value in each row of `[rows, classes]`; the lowest index when several are equal. */
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

/** Number of predictions that equal their label. */
export function countCorrect(predicted: Int32Array, labels: Int32Array): number {
  let correct = 0;
  for (let row = 0; row < labels.length; row++) if (predicted[row] === labels[row]) correct++;
  return correct;
}
