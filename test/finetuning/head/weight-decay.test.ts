import { beforeAll, describe, expect, it } from 'vitest';
import { defaultHyperparameters } from '../../../src/finetuning/head/hyperparameters.ts';
import { chooseWeightDecay } from '../../../src/finetuning/head/weight-decay.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';
import { blobs } from './blobs.ts';

const DIMENSION = 48;

function input(distance: number, perClass: number, mislabelled = 0) {
  const { features, labels } = blobs({ classes: 2, perClass, dimension: DIMENSION, distance, seed: 3 });
  return {
    set: { name: 'features', dimension: DIMENSION, originals: features },
    labels: labels.map((label, i) => (Math.floor(i / 2) % 10 < mislabelled ? 1 - label : label)),
    classes: 2,
    hyperparameters: defaultHyperparameters(labels.length, DIMENSION, 1),
  };
}

describe('chooseWeightDecay', () => {
  let tf: TensorFlow;
  beforeAll(async () => {
    ({ tf } = await loadTensorFlow({ threads: 1 }));
  });

  it('raises it when labels are noisy', async () => {
    const noisy = input(2.5, 150, 3);
    expect(await chooseWeightDecay(tf, noisy)).toBe(noisy.hyperparameters.weightDecay * 2.5);
  });

  it('keeps the default when nothing is better', async () => {
    const easy = input(40, 10);
    expect(await chooseWeightDecay(tf, easy)).toBe(easy.hyperparameters.weightDecay);
  });

  it('does not search when there are many images', async () => {
    const many = input(2.5, 501, 3);
    // A search would reject.
    const signal = AbortSignal.abort();
    expect(await chooseWeightDecay(tf, { ...many, signal })).toBe(many.hyperparameters.weightDecay);
  });

  it('stops when it is cancelled', async () => {
    const reason = new Error('cancelled');
    await expect(chooseWeightDecay(tf, { ...input(2.5, 60), signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
