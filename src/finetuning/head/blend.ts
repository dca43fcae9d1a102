import type { DenseLayer } from './dense-layers.ts';

/** Weights of two linear heads in their sum, neither negative. */
export interface Blend {
  readonly first: number;
  readonly second: number;
}

/**
 * The weights with which two heads together have the least squared error for one-hot targets (stacked regressions:
 * Breiman 1996), given their answers `[n, classes]` for samples that were left out. A constant that is added to all
 * answers of a row changes no decision, so the mean of each row is left out of account.
 *
 * @param share 0..1: how far the weights are drawn towards those with which both heads say as much. With few samples
 *   the best weights are uncertain, and the sum of both is seldom worse than either
 */
export function blendOf(
  first: Float32Array,
  second: Float32Array,
  labels: Int32Array,
  classes: number,
  share = 0,
): Blend {
  const [a, b] = [centred(first, classes), centred(second, classes)];
  let [aa, ab, bb, at, bt] = [0, 0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    const target = Number(labels[Math.floor(i / classes)] === i % classes) - 1 / classes;
    aa += x * x;
    ab += x * y;
    bb += y * y;
    at += x * target;
    bt += y * target;
  }
  const determinant = aa * bb - ab * ab;
  const both = [at * bb - bt * ab, bt * aa - at * ab] as const;
  const firstIsBetter = Math.max(0, at) ** 2 * bb >= Math.max(0, bt) ** 2 * aa;
  const isSum = determinant > 1e-9 * aa * bb && both[0] > 0 && both[1] > 0;
  const [p, q] = isSum ? both : firstIsBetter ? [1, 0] : [0, 1];
  // Each scaled to answers of the same size before they are mixed.
  const size = Math.sqrt(p * p * aa + 2 * p * q * ab + q * q * bb) || 1;
  const together = Math.sqrt(2 + (2 * ab) / (Math.sqrt(aa * bb) || 1)) || 1;
  const mixed = [
    ((1 - share) * p) / size + share / ((Math.sqrt(aa) || 1) * together),
    ((1 - share) * q) / size + share / ((Math.sqrt(bb) || 1) * together),
  ] as const;
  const [x, y] = mixed;
  const scale = Math.max(0, x * at + y * bt) / (x * x * aa + 2 * x * y * ab + y * y * bb || 1);
  return { first: scale * x, second: scale * y };
}

/** The sum of two heads, of which the second reads only the last of the first one's inputs. */
export function blendLayers(first: DenseLayer, second: DenseLayer, weights: Blend): DenseLayer {
  const { inputs, outputs } = first;
  const weight = first.weight.map((value) => value * weights.first);
  const offset = inputs - second.inputs;
  for (let k = 0; k < outputs; k++) {
    for (let j = 0; j < second.inputs; j++) {
      const at = k * inputs + offset + j;
      weight[at] = (weight[at] ?? 0) + weights.second * (second.weight[k * second.inputs + j] ?? 0);
    }
  }
  const bias = first.bias.map((value, k) => value * weights.first + weights.second * (second.bias[k] ?? 0));
  return { inputs, outputs, weight, bias };
}

function centred(answers: Float32Array, classes: number): Float64Array {
  const result = Float64Array.from(answers);
  for (let start = 0; start < result.length; start += classes) {
    let sum = 0;
    for (let k = 0; k < classes; k++) sum += result[start + k] ?? 0;
    for (let k = 0; k < classes; k++) result[start + k] = (result[start + k] ?? 0) - sum / classes;
  }
  return result;
}
