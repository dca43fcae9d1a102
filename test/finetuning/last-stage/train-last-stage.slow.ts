import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/common/random.ts';
import { activation, conv2d, globalAveragePool, pixels } from '../../../src/convert/graph/ir.ts';
import type { LastStage } from '../../../src/convert/transfer/last-stage.ts';
import { crossEntropy } from '../../../src/finetuning/head/cross-entropy.ts';
import { createLayers } from '../../../src/finetuning/head/dense-layers.ts';
import { argmaxRows, countCorrect } from '../../../src/finetuning/head/softmax.ts';
import { fitStandardization } from '../../../src/finetuning/head/standardization.ts';
import {
  type StageSamples,
  type StageTraining,
  stageFeatures,
  trainLastStage,
} from '../../../src/finetuning/last-stage/train-last-stage.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';
import { constantWeight } from '../../convert/constant-weight.ts';

const SIZE = 5;
const FEATURES = 8;
const CLASSES = 2;

let tf: TensorFlow;
let stage: LastStage;
beforeAll(async () => {
  ({ tf } = await loadTensorFlow({ threads: 1 }));
  const entry = pixels([SIZE, SIZE]);
  const weight = constantWeight('kernel', [FEATURES, 3, 3, 3]);
  const bias = constantWeight('bias', [FEATURES]);
  const convolution = conv2d('conv', entry, { weight, bias, padding: 1 });
  const rectified = activation('relu', convolution, 'relu');
  const outputs = [globalAveragePool('mean', rectified)];
  const weights = new Map([['conv', { weight: await weight.read(), bias: await bias.read() }]]);
  stage = { entry, nodes: [convolution, rectified, ...outputs], outputs, weights };
});

/** Noise with a bright bar that lies in maps of class 0 and stands in maps of class 1: their means are alike. */
async function bars(count: number, seed: number, wrongLabels = false): Promise<StageSamples> {
  const random = seededRandom(seed);
  const labels = Int32Array.from({ length: count }, (_, i) => i % CLASSES);
  const maps = Array.from(labels, (label) => {
    const map = Float32Array.from({ length: SIZE * SIZE * 3 }, () => random.normal());
    const at = random.below(SIZE);
    for (let i = 0; i < SIZE; i++) {
      const cell = label === 0 ? at * SIZE + i : i * SIZE + at;
      map[cell * 3] = (map[cell * 3] ?? 0) + 3;
    }
    return map;
  });
  if (wrongLabels) labels.set(labels.map((label) => 1 - label));
  const readMaps = (rows: Int32Array) => Float32Array.from([...rows].flatMap((row) => [...(maps[row] ?? [])]));
  const features = await stageFeatures(tf, stage, { count, features: new Float32Array(count * FEATURES), readMaps });
  const judge: StageSamples['judge'] = (logits, rows) => {
    const wanted = rows.map((row) => labels[row] ?? 0);
    const { loss, gradient } = crossEntropy(logits, CLASSES, wanted, new Float32Array(rows.length).fill(1));
    return { loss, gradient, correct: countCorrect(argmaxRows(logits, CLASSES), wanted) };
  };
  return { count, features, readMaps, judge };
}

function train(samples: StageSamples, validation: StageSamples, seed = 1): Promise<StageTraining> {
  const head = createLayers([FEATURES, CLASSES], seededRandom(1));
  const standardization = fitStandardization(samples.features, FEATURES);
  const alone = { loss: Math.log(2), accuracy: 0.5 };
  return trainLastStage(
    tf,
    { stage, head, standardization, train: samples, validation, alone },
    { batchSize: 16, epochs: 12, patience: 12, headRate: 0.1, weightDecay: 0, seed },
  );
}

describe('training the last stage with its head', () => {
  it('learns what the features before did not tell', async () => {
    const { history, bestEpoch } = await train(await bars(240, 1), await bars(100, 2));
    expect(history[0]?.valAccuracy).toBe(0.5);
    expect(bestEpoch).toBeGreaterThan(0);
    expect(history.find(({ epoch }) => epoch === bestEpoch)?.valAccuracy).toBeGreaterThan(0.8);
  });

  it('keeps the head alone when no epoch is better on the validation images', async () => {
    const { bestEpoch, stage: values } = await train(await bars(60, 1, true), await bars(100, 2));
    expect(bestEpoch).toBe(0);
    expect(values.get('conv')?.weight).toEqual(stage.weights.get('conv')?.weight);
  });

  it('gives the same weights bit for bit for the same seed, and others for another', async () => {
    const [samples, validation] = [await bars(60, 1), await bars(40, 2)];
    const [one, same, other] = [
      await train(samples, validation),
      await train(samples, validation),
      await train(samples, validation, 9),
    ];
    expect(same).toEqual(one);
    expect(other.history).not.toEqual(one.history);
  });
});
