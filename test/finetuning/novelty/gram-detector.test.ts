import { beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import { gramOf } from '../../../src/finetuning/novelty/gram.ts';
import { fitOnGram } from '../../../src/finetuning/novelty/gram-detector.ts';
import { fitMahalanobis, mahalanobisDistances } from '../../../src/finetuning/novelty/mahalanobis.ts';
import { takeRows } from '../../../src/finetuning/novelty/rows.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';

const DIMENSION = 24;
const LABELS = Int32Array.from({ length: 60 }, (_, row) => row % 3);
const random = seededRandom(4);
/** Two directions vary more than the others. */
const FEATURES = Float32Array.from({ length: 60 * DIMENSION }, (_, i) => {
  const [row, j] = [Math.floor(i / DIMENSION), i % DIMENSION];
  return (j % 3 === row % 3 ? 2 : 0) + (j < 2 ? 1.5 : 0.4) * random.normal();
});
const rows = (accept: (row: number) => boolean) => Int32Array.from([...LABELS.keys()].filter(accept));

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await loadTensorFlow({ threads: 1 }));
});

function fittedToFeatures(images: Int32Array, asked: Int32Array): Float32Array {
  const train = { features: takeRows(FEATURES, DIMENSION, images), labels: images.map((row) => LABELS[row] ?? 0) };
  return mahalanobisDistances(tf, fitMahalanobis(tf, train, 0), takeRows(FEATURES, DIMENSION, asked));
}

it('has the distances of a detector that is fitted to the features', () => {
  const gram = gramOf(tf, FEATURES, DIMENSION);
  const images = rows((row) => row < 45);
  const asked = rows((row) => row >= 45);
  const distances = fitOnGram(tf, gram, images, LABELS, 0).distances(asked);
  fittedToFeatures(images, asked).forEach((expected, index) => {
    expect((distances[index] ?? 0) / expected).toBeCloseTo(1, 1);
  });
});

it('leaves out a class as if it had never been there', () => {
  const gram = gramOf(tf, FEATURES, DIMENSION);
  const { directions } = fitOnGram(
    tf,
    gram,
    rows(() => true),
    LABELS,
    0,
  );
  const images = rows((row) => LABELS[row] !== 2);
  const asked = rows((row) => LABELS[row] === 2);
  const distances = fitOnGram(tf, gram, images, LABELS, 0, directions).distances(asked);
  fittedToFeatures(images, asked).forEach((expected, index) => {
    expect((distances[index] ?? 0) / expected).toBeCloseTo(1, 1);
  });
});
