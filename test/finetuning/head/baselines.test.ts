import { beforeAll, describe, expect, it } from 'vitest';
import { majorityClass, nearestNeighbours, scoreBaselines } from '../../../src/finetuning/head/baselines.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';
import { blobs } from './blobs.ts';

describe('the baselines', () => {
  let tf: TensorFlow;
  beforeAll(async () => {
    ({ tf } = await loadTensorFlow({ threads: 1 }));
  });

  it('predict the most frequent class', () => {
    expect(majorityClass(Int32Array.of(2, 1, 2, 0), 3)).toBe(2);
    expect(majorityClass(Int32Array.of(1, 0), 3)).toBe(0);
  });

  it('let the five nearest samples vote, by angle and not by length', () => {
    const train = {
      features: Float32Array.from(
        [
          [1, 0],
          [9, 1],
          [1, 0.1],
          [0, 1],
          [0.1, 1],
          [0, 5],
          [0.2, 1],
        ].flat(),
      ),
      labels: Int32Array.of(0, 0, 0, 1, 1, 1, 1),
    };
    const queries = Float32Array.from(
      [
        [100, 1],
        [0.01, 0.1],
        [0, 0],
      ].flat(),
    );
    expect([...nearestNeighbours(tf, train, queries, 2)].slice(0, 2)).toEqual([0, 1]);
  });

  it('give a tie to the class with the higher similarities', () => {
    const train = {
      features: Float32Array.from(
        [
          [1, 0],
          [1, 0.1],
          [0, 1],
          [0.1, 1],
        ].flat(),
      ),
      labels: Int32Array.of(0, 0, 1, 1),
    };
    expect([...nearestNeighbours(tf, train, Float32Array.of(1, 0.5, 0.5, 1), 2)]).toEqual([0, 1]);
  });

  it('compare with every training sample of a large set', () => {
    const shape = { classes: 3, dimension: 16, distance: 30 };
    const train = blobs({ ...shape, perClass: 400, seed: 1 });
    const test = blobs({ ...shape, perClass: 20, seed: 2 });
    const before = tf.memory().numTensors;
    const baselines = scoreBaselines(tf, train, test, 3);
    expect(baselines.nearestNeighbours.accuracy).toBe(1);
    expect(baselines.nearestNeighbours.interval.low).toBeGreaterThan(0.9);
    expect(baselines.majorityClass).toMatchObject({ label: 0, accuracy: 1 / 3 });
    expect(tf.memory().numTensors).toBe(before);
  });
});
