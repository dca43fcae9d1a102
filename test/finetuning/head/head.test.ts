import { beforeAll, describe, expect, test } from 'vitest';
import {
  joinImages,
  type Samples,
  samplesOf,
  type TrainingImages,
} from '../../../src/finetuning/features/feature-set.ts';
import { calibrationOf } from '../../../src/finetuning/head/calibration.ts';
import { computeLogits } from '../../../src/finetuning/head/dense-layers.ts';
import { type Head, trainHead } from '../../../src/finetuning/head/head.ts';
import { defaultHyperparameters, type Hyperparameters } from '../../../src/finetuning/head/hyperparameters.ts';
import { argmaxRows, softmaxRows } from '../../../src/finetuning/head/softmax.ts';
import { trainLayers } from '../../../src/finetuning/head/training-loop.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';
import { blobs } from './blobs.ts';

const CLASSES = 3;
const shape = { classes: CLASSES, dimension: 8, distance: 2 };
const train = blobs({ ...shape, perClass: 20, seed: 1 });
const validation = blobs({ ...shape, perClass: 6, seed: 2 });
const unseen = blobs({ ...shape, perClass: 200, seed: 3 });
const hyperparameters = { ...defaultHyperparameters(60, 8, 0), epochs: 30 };
const none: Samples = { features: new Float32Array(), labels: new Int32Array() };

/** Images without augmented copies. */
function imagesOf({ features, labels }: Samples): TrainingImages {
  return { set: { name: 'features', dimension: 8, originals: features }, augmented: true, labels };
}

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await loadTensorFlow({ threads: 1 }));
});

const trained = (images: TrainingImages, held: Samples, own: Hyperparameters = hyperparameters): Promise<Head> =>
  trainHead(tf, { images, validation: held, classes: CLASSES }, own);

describe('a head trained on few images', () => {
  test('continues with the validation images for a third of the epochs until early stopping', async () => {
    const head = await trained(imagesOf(train), validation);
    const first = await trainLayers(tf, { classes: CLASSES, train, validation }, hyperparameters);
    expect(head).toMatchObject({ retrained: true, tunedOn: 'cross_validation', bestEpoch: first.bestEpoch });
    expect(head.history).toEqual(first.history);
    const joined = samplesOf(joinImages(imagesOf(train), validation));
    const epochs = Math.ceil(first.bestEpoch / 3);
    const again = await trainLayers(
      tf,
      { classes: CLASSES, train: joined, start: first.layers },
      { ...hyperparameters, epochs },
    );
    expect(head.layers).toEqual(again.layers);
  });

  test('ends its first training early where the time would not suffice for what comes after it', async () => {
    const late = { images: imagesOf(train), validation, classes: CLASSES, trainBy: Date.now() - 1 };
    expect((await trainHead(tf, late, hyperparameters)).history).toHaveLength(1);
  });

  test('is calibrated even when it overfits', async () => {
    const sure = { ...hyperparameters, weightDecay: 0, learningRate: 0.3, patience: 100, epochs: 60 };
    const { layers, temperature, unknown } = await trained(imagesOf(train), none, sure);
    const logits = computeLogits(tf, layers, unseen.features);
    const errorAt = (t: number) =>
      calibrationOf(
        softmaxRows(
          logits.map((logit) => logit / t),
          CLASSES,
        ),
        unseen.labels,
        CLASSES,
      ).error;
    expect(temperature).toBeGreaterThan(1.2);
    expect(errorAt(temperature)).toBeLessThan(0.6 * errorAt(1));
    expect(unknown.threshold).toBeGreaterThan(1 / CLASSES);
  });

  test('needs no validation images', async () => {
    const head = await trained(imagesOf(train), none);
    expect(head).toMatchObject({ retrained: false, tunedOn: 'cross_validation', bestEpoch: 30 });
  });
});

test('a head trained on many images is calibrated on its predictions for the validation images before retraining', async () => {
  const many = blobs({ ...shape, perClass: 340, seed: 4 });
  const head = await trained(imagesOf(many), validation, { ...hyperparameters, batchSize: 64, epochs: 3 });
  expect(head).toMatchObject({ retrained: true, tunedOn: 'validation_images' });
  const predicted = argmaxRows(computeLogits(tf, head.layers, unseen.features), CLASSES);
  expect(predicted.filter((answer, i) => answer === unseen.labels[i]).length / predicted.length).toBeGreaterThan(0.75);
});

test('images without copies count as much as images with their copies', () => {
  const copies = { features: Float32Array.of(2, 3, 4, 5), sources: Int32Array.of(0, 0, 1, 1) };
  const images: TrainingImages = {
    set: { name: 'features', dimension: 1, originals: Float32Array.of(0, 1), copies },
    augmented: true,
    labels: Int32Array.of(0, 1),
  };
  const joined = joinImages(images, { features: Float32Array.of(9), labels: Int32Array.of(1) });
  expect(samplesOf(joined)).toEqual({
    features: Float32Array.of(0, 1, 9, 2, 3, 4, 5),
    labels: Int32Array.of(0, 1, 1, 0, 0, 1, 1),
    weights: Float32Array.of(1, 1, 3, 1, 1, 1, 1),
  });
  expect(samplesOf(joined, (image) => image !== 0)).toEqual({
    features: Float32Array.of(1, 9, 4, 5),
    labels: Int32Array.of(1, 1, 1, 1),
    weights: Float32Array.of(1, 3, 1, 1),
  });
});
