import { type TensorFlow, valuesOf } from '../../runtime/tensorflow.ts';
import type { Samples } from '../features/feature-set.ts';
import { type Score, scoreOf } from './confidence-interval.ts';
import { computeLogits } from './dense-layers.ts';
import { fitPrototypes } from './prototypes.ts';
import { argmaxRows, countCorrect } from './softmax.ts';

/** Scores of three methods without training, on the test images of the model. */
export interface Baselines {
  /** Predicts `label` for every image. */
  readonly majorityClass: Score & { readonly label: number };
  readonly nearestNeighbours: Score;
  /** The class whose mean has the largest cosine. */
  readonly prototypes: Score;
}

const NEIGHBOURS = 5;
/** Training samples that are compared at once, to bound the memory. */
const CHUNK_ROWS = 512;

/** Scores the baselines on `test`, which must have at least one sample. */
export function scoreBaselines(tf: TensorFlow, train: Samples, test: Samples, classes: number): Baselines {
  const label = majorityClass(train.labels, classes);
  return {
    majorityClass: { label, ...score(new Int32Array(test.labels.length).fill(label), test.labels) },
    nearestNeighbours: score(nearestNeighbours(tf, train, test.features, classes), test.labels),
    prototypes: score(nearestPrototypes(tf, train, test.features, classes), test.labels),
  };
}

/** The most frequent class of the training samples; the lowest index when several are equal. */
export function majorityClass(trainLabels: Int32Array, classes: number): number {
  const counts = new Array<number>(classes).fill(0);
  for (const label of trainLabels) counts[label] = (counts[label] ?? 0) + 1;
  return counts.indexOf(Math.max(...counts));
}

/**
 * Predicts a label for each row of `features` `[n, dimension]` by the vote of its 5 nearest training samples in cosine
 * similarity. A tie goes to the class with the higher similarities.
 */
export function nearestNeighbours(tf: TensorFlow, train: Samples, features: Float32Array, classes: number): Int32Array {
  const dimension = train.features.length / train.labels.length;
  const queries = features.length / dimension;
  // Transposed once, because `matMul` with a transposed operand is slow; there are fewer queries than training
  // samples.
  const transposed = tf.tidy(() => tf.transpose(tf.tensor2d(unitRows(features, dimension), [queries, dimension])));
  const nearest = Array.from({ length: queries }, (): Neighbour[] => []);
  for (let start = 0; start < train.labels.length; start += CHUNK_ROWS) {
    const labels = train.labels.subarray(start, start + CHUNK_ROWS);
    const chunk = unitRows(train.features.subarray(start * dimension, (start + labels.length) * dimension), dimension);
    const similarities = valuesOf(tf, () => tf.matMul(tf.tensor2d(chunk, [labels.length, dimension]), transposed));
    labels.forEach((label, row) => {
      nearest.forEach((neighbours, query) => {
        insert(neighbours, { label, similarity: similarities[row * queries + query] ?? 0 });
      });
    });
  }
  tf.dispose(transposed);
  return Int32Array.from(nearest, (neighbours) => vote(neighbours, classes));
}

/** Predicts a label for each row of `features` by the class mean with the largest cosine. */
export function nearestPrototypes(tf: TensorFlow, train: Samples, features: Float32Array, classes: number): Int32Array {
  return argmaxRows(computeLogits(tf, [fitPrototypes(train, classes).layer], features), classes);
}

function score(predicted: Int32Array, labels: Int32Array): Score {
  return scoreOf(countCorrect(predicted, labels), labels.length);
}

interface Neighbour {
  readonly similarity: number;
  readonly label: number;
}

/** Inserts a candidate into the list of the nearest, which is sorted by descending similarity. */
function insert(neighbours: Neighbour[], candidate: Neighbour): void {
  const last = neighbours[NEIGHBOURS - 1];
  if (last !== undefined && candidate.similarity <= last.similarity) return;
  const place = neighbours.findIndex(({ similarity }) => candidate.similarity > similarity);
  neighbours.splice(place === -1 ? neighbours.length : place, 0, candidate);
  if (neighbours.length > NEIGHBOURS) neighbours.pop();
}

function vote(neighbours: readonly Neighbour[], classes: number): number {
  const votes = new Array<number>(classes).fill(0);
  for (const { similarity, label } of neighbours) {
    // The similarity, -1 to 1, only decides between classes with equally many votes.
    votes[label] = (votes[label] ?? 0) + 1 + (similarity + 1) / (4 * NEIGHBOURS);
  }
  return votes.indexOf(Math.max(...votes));
}

function unitRows(features: Float32Array, dimension: number): Float32Array {
  const result = new Float32Array(features.length);
  for (let start = 0; start < features.length; start += dimension) {
    const length = norm(features.subarray(start, start + dimension));
    for (let j = 0; j < dimension; j++) result[start + j] = length === 0 ? 0 : (features[start + j] ?? 0) / length;
  }
  return result;
}

function norm(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}
