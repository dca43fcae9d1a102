import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import type { Samples } from '../../../src/finetuning/features/feature-set.ts';
import { crossEntropy } from '../../../src/finetuning/head/cross-entropy.ts';
import { backward, computeLogits, createLayers, forward } from '../../../src/finetuning/head/dense-layers.ts';
import { defaultHyperparameters, type Hyperparameters } from '../../../src/finetuning/head/hyperparameters.ts';
import { argmaxRows } from '../../../src/finetuning/head/softmax.ts';
import { type Epoch, type TrainedLayers, trainLayers } from '../../../src/finetuning/head/training-loop.ts';
import type { TensorFlowBackend } from '../../../src/runtime/session.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';
import { blobs } from './blobs.ts';

const CLASSES = 4;
const DIMENSION = 32;
const shape = { classes: CLASSES, dimension: DIMENSION, distance: 4 };
const train = blobs({ ...shape, perClass: 25, seed: 1 });
const held = blobs({ ...shape, perClass: 100, seed: 2 });
const hyperparameters = defaultHyperparameters(train.labels.length, DIMENSION, 7);

/** Tests of the training loop, on one backend. */
export function describeTrainingLoop(backend: TensorFlowBackend): void {
  describe(`the training loop on ${backend}`, () => {
    let tf: TensorFlow;
    beforeAll(async () => {
      ({ tf } = await loadTensorFlow({ threads: 1, backend }));
    });

    const learn = (overrides: Partial<Hyperparameters> = {}, samples: Samples = train): Promise<TrainedLayers> =>
      trainLayers(tf, { classes: CLASSES, train: samples }, { ...hyperparameters, ...overrides });

    const accuracy = ({ layers }: TrainedLayers, samples: Samples = held): number => {
      const predicted = argmaxRows(computeLogits(tf, layers, samples.features), CLASSES);
      return predicted.filter((label, i) => label === samples.labels[i]).length / predicted.length;
    };

    it('classifies new samples with the default hyperparameters', async () => {
      // The clouds overlap: a classifier that knows their centres is right in 96 of 100 cases.
      expect(accuracy(await learn())).toBeGreaterThan(0.85);
    });

    it('learns what a linear head cannot, with a hidden layer', async () => {
      const random = blobs({ classes: 1, perClass: 400, dimension: 2, distance: 0, seed: 3 }).features;
      const labels = Int32Array.from({ length: 400 }, (_, i) =>
        Number((random[2 * i] ?? 0) > 3 !== (random[2 * i + 1] ?? 0) > 3),
      );
      const samples = { features: random, labels };
      const overrides = { learningRate: 0.02, weightDecay: 0.01, epochs: 60 };
      const linear = await trainLayers(tf, { classes: 2, train: samples }, { ...hyperparameters, ...overrides });
      const hidden = await trainLayers(
        tf,
        { classes: 2, train: samples },
        { ...hyperparameters, ...overrides, hiddenUnits: [16], dropout: 0.1 },
      );
      expect(linear.history.at(-1)?.accuracy).toBeLessThan(0.7);
      expect(hidden.history.at(-1)?.accuracy).toBeGreaterThan(0.85);
      expect(hidden.layers.map(({ inputs, outputs, weight }) => [inputs, outputs, weight.length])).toEqual([
        [2, 16, 32],
        [16, 2, 32],
      ]);
    });

    it('gives the same weights bit for bit for the same seed, and others for another seed', async () => {
      const overrides = { hiddenUnits: [8], dropout: 0.3, epochs: 5 };
      const [one, same, other] = [
        await learn(overrides),
        await learn(overrides),
        await learn({ ...overrides, seed: 8 }),
      ];
      expect(same.layers).toEqual(one.layers);
      expect(same.history).toEqual(one.history);
      expect(other.layers).not.toEqual(one.layers);
    });

    it('computes the same gradient as finite differences, with hidden layers and dropout', () => {
      const layers = createLayers([3, 5, 4, 2], seededRandom(1));
      layers[2]?.weight.forEach((_, i, weight) => {
        weight[i] = Math.cos(i);
      });
      const input = Float32Array.of(1, -1, 2, 0.5, -1, 3);
      const labels = Int32Array.of(0, 1);
      const weights = Float32Array.of(0.5, 1.5);
      // The same random numbers in each pass, so that dropout switches the same units off.
      const pass = () => forward(tf, layers, input, 2, { rate: 0.3, random: seededRandom(5) });
      const loss = () => tf.tidy(() => crossEntropy(pass().logits, 2, labels, weights, 0.1).loss);
      const gradients = tf.tidy(() => {
        const result = pass();
        const { gradient } = crossEntropy(result.logits, 2, labels, weights, 0.1);
        return backward(tf, layers, result, gradient).layers.map(({ weight, bias }) => ({ weight, bias }));
      });
      for (const [index, layer] of layers.entries()) {
        for (const kind of ['weight', 'bias'] as const) {
          const parameters = layer[kind];
          for (const [i, value] of parameters.entries()) {
            parameters[i] = value + 0.01;
            const above = loss();
            parameters[i] = value - 0.01;
            const below = loss();
            parameters[i] = value;
            expect(gradients[index]?.[kind][i]).toBeCloseTo((above - below) / 0.02, 3);
          }
        }
      }
    });

    it('continues from given layers, which it does not change', async () => {
      const first = await learn({ hiddenUnits: [8], epochs: 5 });
      const kept = structuredClone(first.layers);
      // Other samples have another standardisation, to which the layers must be converted.
      const goOn = (learningRate: number) =>
        trainLayers(
          tf,
          { classes: CLASSES, train: held, start: first.layers },
          { ...hyperparameters, hiddenUnits: [8], weightDecay: 0, epochs: 1, learningRate },
        );
      const still = computeLogits(tf, (await goOn(0)).layers, held.features);
      computeLogits(tf, first.layers, held.features).forEach((logit, i) => {
        expect(still[i]).toBeCloseTo(logit, 4);
      });
      expect((await goOn(0.05)).history[0]?.loss).toBeLessThan(first.history[0]?.loss ?? 0);
      expect(first.layers).toEqual(kept);
    });

    it('stops when the validation loss no longer falls, and keeps the weights of the best epoch', async () => {
      const few = blobs({ ...shape, perClass: 5, seed: 4 });
      // Wrong labels make the validation loss rise as the layers become more confident.
      const labels = held.labels.map((label, i) => (i % 5 === 0 ? (label + 1) % CLASSES : label));
      const validation = { ...held, labels };
      const overfitting = { ...hyperparameters, weightDecay: 0, learningRate: 0.05, epochs: 200, patience: 5 };
      const head = await trainLayers(tf, { classes: CLASSES, train: few, validation }, overfitting);
      const losses = head.history.map(({ valLoss }) => valLoss ?? Number.NaN);
      expect(head.history.length).toBe(head.bestEpoch + overfitting.patience);
      expect(losses[head.bestEpoch - 1]).toBe(Math.min(...losses));
      expect(accuracy(head, validation)).toBe(head.history[head.bestEpoch - 1]?.valAccuracy);
    });

    it('uses the weights of samples, and balances classes if asked to', async () => {
      const contradiction = { features: Float32Array.of(1, 1, -1, -1), labels: Int32Array.of(0, 1, 0, 1) };
      const linear = { ...hyperparameters, weightDecay: 0, epochs: 100, batchSize: 4, learningRate: 0.05 };
      const weighted = await trainLayers(
        tf,
        { classes: 2, train: { ...contradiction, weights: Float32Array.of(3, 1, 1, 3) } },
        linear,
      );
      expect([...argmaxRows(computeLogits(tf, weighted.layers, Float32Array.of(1, -1)), 2)]).toEqual([0, 1]);

      const lopsided = { features: Float32Array.of(1, 1.1, 0.9, 1), labels: Int32Array.of(0, 0, 0, 1) };
      const probabilityOfRare = async (classWeights: Hyperparameters['classWeights']): Promise<number> => {
        const { layers } = await trainLayers(tf, { classes: 2, train: lopsided }, { ...linear, classWeights });
        return Math.exp(logSoftmax(computeLogits(tf, layers, Float32Array.of(1)), 1));
      };
      expect(await probabilityOfRare('none')).toBeCloseTo(0.25, 1);
      expect(await probabilityOfRare('balanced')).toBeCloseTo(0.5, 1);
    });

    it('leaves some probability to the other classes with label smoothing', async () => {
      const easy = { features: Float32Array.of(-1, 1), labels: Int32Array.of(0, 1) };
      const run = { ...hyperparameters, weightDecay: 0, epochs: 300, batchSize: 2, learningRate: 0.1 };
      const smooth = await trainLayers(tf, { classes: 2, train: easy }, { ...run, labelSmoothing: 0.2 });
      const logits = computeLogits(tf, smooth.layers, Float32Array.of(-1));
      expect(Math.exp(logSoftmax(logits, 0))).toBeCloseTo(0.9, 1);
    });

    it('handles constant features', async () => {
      const dead = { ...train, features: train.features.map((value, i) => (i % DIMENSION < 5 ? 42 : value)) };
      const head = await learn({}, dead);
      expect(
        head.layers.every(({ weight, bias }) => weight.every(Number.isFinite) && bias.every(Number.isFinite)),
      ).toBe(true);
      const constant = await learn(
        { epochs: 2 },
        { ...train, features: new Float32Array(train.features.length).fill(1) },
      );
      expect(constant.history.at(-1)?.loss).toBeCloseTo(Math.log(CLASSES), 1);
    });

    it('reports each epoch', async () => {
      const seen: Epoch[] = [];
      const head = await trainLayers(
        tf,
        { classes: CLASSES, train, validation: held, onEpoch: (epoch) => seen.push(epoch) },
        { ...hyperparameters, epochs: 4 },
      );
      expect(seen).toEqual(head.history);
      expect(seen.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
      expect(seen[0]).toMatchObject({ epochs: 4, learningRate: hyperparameters.learningRate });
      expect(seen[3]?.loss).toBeLessThan(seen[0]?.loss ?? 0);
      expect(seen[3]?.learningRate).toBeLessThan(hyperparameters.learningRate / 4);
    });

    it('stops in the middle of an epoch when it is cancelled', async () => {
      const controller = new AbortController();
      const reason = new Error('cancelled');
      const training = trainLayers(
        tf,
        { classes: CLASSES, train, signal: controller.signal, onEpoch: () => controller.abort(reason) },
        hyperparameters,
      );
      await expect(training).rejects.toBe(reason);
    });

    it('lets timers run', async () => {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), 50);
      const endless = trainLayers(
        tf,
        { classes: CLASSES, train, signal: controller.signal },
        { ...hyperparameters, epochs: 1_000_000 },
      );
      await expect(endless).rejects.toThrow();
      clearTimeout(timer);
    });

    it('frees all tensors', async () => {
      const before = tf.memory().numTensors;
      await learn({ hiddenUnits: [8], dropout: 0.2, epochs: 2 });
      expect(tf.memory().numTensors).toBe(before);
    });

    it('refuses invalid samples', async () => {
      await expect(learn({}, { ...train, labels: train.labels.map(() => CLASSES) })).rejects.toThrow(
        'a label is not in 0..3',
      );
      await expect(learn({}, { ...train, labels: train.labels.subarray(1) })).rejects.toThrow('cannot be divided');
      await expect(learn({}, { ...train, features: train.features.map(() => Number.NaN) })).rejects.toThrow(
        'not a finite',
      );
    });
  });
}

function logSoftmax(logits: Float32Array, label: number): number {
  return (logits[label] ?? 0) - Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
}
