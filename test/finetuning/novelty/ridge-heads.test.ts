import { beforeAll, expect, it } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import { argmaxRows } from '../../../src/finetuning/head/softmax.ts';
import { gramOf } from '../../../src/finetuning/novelty/gram.ts';
import { fitRidgeHeads } from '../../../src/finetuning/novelty/ridge-heads.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';

const DIMENSION = 16;
const LABELS = Int32Array.from({ length: 80 }, (_, row) => row % 4);
const random = seededRandom(6);
const FEATURES = Float32Array.from({ length: 80 * DIMENSION }, (_, i) => {
  const [row, j] = [Math.floor(i / DIMENSION), i % DIMENSION];
  return (j % 4 === row % 4 ? 2 : 0) + 0.5 * random.normal();
});
const rows = (accept: (row: number) => boolean) => Int32Array.from([...LABELS.keys()].filter(accept));

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await loadTensorFlow({ threads: 1 }));
});

it('knows the other classes without the one that is left out', () => {
  const gram = gramOf(tf, FEATURES, DIMENSION);
  const heads = fitRidgeHeads(
    gram,
    rows((row) => row < 40),
    LABELS,
    4,
  );
  const asked = rows((row) => row >= 40 && LABELS[row] !== 1);
  const logits = heads.without(1, asked);
  // The classes 0, 2 and 3 have moved up.
  expect([...argmaxRows(logits, 3)]).toEqual([...asked].map((row) => [0, 1, 1, 2][LABELS[row] ?? 0]));
});

it('gives the answers of a head that was never shown the class', () => {
  const gram = gramOf(tf, FEATURES, DIMENSION);
  const asked = rows((row) => row >= 40);
  const left = fitRidgeHeads(
    gram,
    rows((row) => row < 40),
    LABELS,
    4,
  ).without(3, asked);
  // The class is there by a single image, which is taken out with it.
  const other = fitRidgeHeads(
    gram,
    rows((row) => row < 40 && (LABELS[row] !== 3 || row === 3)),
    LABELS,
    4,
  );
  const again = other.without(3, asked);
  // Up to the temperature.
  const scale = (again[0] ?? 0) / (left[0] ?? 1);
  left.forEach((value, i) => {
    expect(again[i] ?? 0).toBeCloseTo(scale * value, 1);
  });
});
