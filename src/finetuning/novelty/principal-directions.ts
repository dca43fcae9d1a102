import { seededRandom } from '../../common/random.ts';
import { type TensorFlow, valuesOf } from '../../runtime/tensorflow.ts';

/** The directions in which rows vary most. */
export interface Directions {
  /** `[rank, dimension]`, orthonormal rows. */
  readonly vectors: Float32Array;
  /** Mean square along each direction. */
  readonly variances: Float64Array;
  /** Mean square length of the rows: the sum of the variances in all directions. */
  readonly total: number;
}

/** Rounds of the iteration; each squares the ratio between the directions that are kept and those that are not. */
const ROUNDS = 6;
/** Directions that are computed in addition, so that the last ones kept have converged. */
const SPARE = 8;
/** Stream of the seed that draws the first directions. */
const STARTING = 12;

/** What an iteration begins with. */
export interface Start {
  readonly vectors: readonly Float64Array[];
  readonly rounds: number;
}

/**
 * The leading eigenvectors of `rows^T rows / n` by subspace iteration with random start (Halko et al. 2011,
 * https://arxiv.org/abs/0909.4061), without that matrix, which is large.
 * @param rows `[n, dimension]`, at least one
 * @param start directions that are nearly those; drawn when absent
 */
export function principalDirections(
  tf: TensorFlow,
  rows: Float32Array,
  dimension: number,
  wanted: number,
  seed: number,
  start?: Start,
): Directions {
  const count = rows.length / dimension;
  const total = rows.reduce((sum, value) => sum + value * value, 0) / count;
  const rank = Math.min(wanted, count, dimension);
  const width = Math.min(rank + SPARE, count, dimension);
  if (rank === 0 || total === 0) return { vectors: new Float32Array(), variances: new Float64Array(), total };
  const random = seededRandom(seed, STARTING);
  const matrix = tf.tensor2d(rows, [count, dimension]);
  // Transposed once, because `matMul` with a transposed operand is slow.
  const transposed = tf.tidy(() => tf.transpose(matrix));
  try {
    const drawn = () =>
      Array.from({ length: width }, () => Float64Array.from({ length: dimension }, () => random.normal()));
    let basis = start?.vectors ?? drawn();
    for (let round = 0; round < (start?.rounds ?? ROUNDS); round++) {
      const images = applied(orthonormal(basis));
      basis = images.sort((a, b) => b.variance - a.variance).map(({ image }) => image);
    }
    const kept = orthonormal(basis).slice(0, rank);
    const variances = applied(kept).map(({ variance }) => variance);
    const vectors = new Float32Array(rank * dimension);
    for (const [k, vector] of kept.entries()) vectors.set(vector, k * dimension);
    return { vectors, variances: Float64Array.from(variances), total };
  } finally {
    tf.dispose([matrix, transposed]);
  }

  /** The images of orthonormal vectors under `rows^T rows / n`, and the variances along the vectors. */
  function applied(vectors: readonly Float64Array[]) {
    const columns = vectors.length;
    const flat = new Float32Array(dimension * columns);
    for (const [k, vector] of vectors.entries()) {
      for (let j = 0; j < dimension; j++) flat[j * columns + k] = vector[j] ?? 0;
    }
    const product = valuesOf(tf, () =>
      tf.matMul(transposed, tf.matMul(matrix, tf.tensor2d(flat, [dimension, columns]))),
    );
    return vectors.map((vector, k) => {
      const image = Float64Array.from({ length: dimension }, (_, j) => (product[j * columns + k] ?? 0) / count);
      return { image, variance: dot(vector, image) };
    });
  }
}

/** Gram-Schmidt, twice for accuracy. Vectors that depend on those before them become zero. */
function orthonormal(vectors: readonly Float64Array[]): Float64Array[] {
  const result: Float64Array[] = [];
  for (const vector of vectors) {
    const own = vector.slice();
    const before = Math.sqrt(dot(own, own));
    for (let pass = 0; pass < 2; pass++) {
      for (const other of result) {
        const share = dot(own, other);
        for (let j = 0; j < own.length; j++) own[j] = (own[j] ?? 0) - share * (other[j] ?? 0);
      }
    }
    const length = Math.sqrt(dot(own, own));
    const isNew = length > 1e-9 * before && length > 0;
    result.push(own.map((value) => (isNew ? value / length : 0)));
  }
  return result;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += (a[j] ?? 0) * (b[j] ?? 0);
  return sum;
}
