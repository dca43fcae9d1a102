import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import type { PixelTensor } from '../../../src/common/tensor.ts';
import { writeOnnx } from '../../../src/convert/formats/onnx/emitter.ts';
import { SafetensorsFile } from '../../../src/convert/formats/safetensors/reader.ts';
import { foldBatchNorm } from '../../../src/convert/graph/fold-batch-norm.ts';
import { buildNetwork, parseArchitecture } from '../../../src/convert/network.ts';
import { writeFineTuned } from '../../../src/convert/transfer/fine-tuned.ts';
import { readLastStage, writeNetworkToLastStage } from '../../../src/convert/transfer/last-stage.ts';
import { StageNetwork } from '../../../src/finetuning/last-stage/stage-network.ts';
import { loadTensorFlow, type TensorFlow } from '../../../src/runtime/tensorflow.ts';
import { maxDifference, runOnnx } from '../runtimes.ts';

const PIXELS: PixelTensor = {
  data: Uint8Array.from(stream('photo', 2 * 64 * 64 * 3, 0, 256)),
  shape: [2, 64, 64, 3],
};

let folder: string;
let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await loadTensorFlow({ threads: 1 }));
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-last-stage-'));
});
afterEach(() => rm(folder, { recursive: true }));

const backboneOf = (architecture: string) => ({
  architecture,
  weightsPath: `zoo/${architecture}.tiny200/weights.safetensors`,
  inputSize: [64, 64] as const,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
});

describe.each([
  ['resnet18_slim', [8, 8, 128], 'layer4.0.conv1'],
  ['vgg11_bn_slim', [4, 4, 256], 'features.22'],
  ['inception_v1_slim', [4, 4, 416], 'inception5b.branch1.conv'],
] as const)('the last stage of %s', (architecture, shape, convolution) => {
  const backbone = backboneOf(architecture);

  test('computes the features of the network from the map that enters it', async () => {
    const path = join(folder, 'network.onnx');
    const { layers, entry } = await writeNetworkToLastStage(backbone, path);
    expect(entry).toEqual(shape);
    const { features, activations } = await runOnnx(path, PIXELS);
    const stage = await readLastStage(backbone, 1);
    const [own] = new StageNetwork(tf, stage).forward(activations.data, 2).outputs;
    const size = layers.at(-1)?.size ?? 0;
    const width = features.data.length / 2;
    const last = [0, 1].flatMap((row) => [...features.data.subarray((row + 1) * width - size, (row + 1) * width)]);
    expect(
      maxDifference(
        { data: own ?? new Float32Array(), shape: [2, size] },
        { data: Float32Array.from(last), shape: [2, size] },
      ),
    ).toBeLessThan(1e-4);
  });

  test('is published with new weights, which the written network has', async () => {
    const stage = await readLastStage(backbone, 1);
    const network = new StageNetwork(tf, stage);
    for (const { weight, bias } of network.parameters.values()) {
      weight.forEach((value, i) => {
        weight[i] = value * (1 + 0.2 * Math.sin(i));
      });
      bias?.forEach((value, i) => {
        bias[i] = value + 0.01 * Math.cos(i);
      });
    }
    const before = join(folder, 'before.onnx');
    await writeNetworkToLastStage(backbone, before);
    const { activations } = await runOnnx(before, PIXELS);
    const [wanted = new Float32Array()] = network.forward(activations.data, 2).outputs;
    const inputs = wanted.length / 2;
    const head = { inputs, outputs: 3, weight: stream('head', 3 * inputs, -1, 1), bias: new Float32Array(3) };
    const weightsPath = join(folder, 'tuned.safetensors');
    const trained = network.layerValues();
    expect([...trained.keys()]).toContain(convolution);
    const tuned = await writeFineTuned(backbone, { from: 'features', layers: [head] }, weightsPath, { trained });
    const path = join(folder, 'tuned.onnx');
    const weights = await SafetensorsFile.open(weightsPath);
    try {
      await writeOnnx(foldBatchNorm(buildNetwork(parseArchitecture(tuned), weights, backbone)), path);
    } finally {
      await weights.close();
    }
    const { features } = await runOnnx(path, PIXELS);
    expect(maxDifference(features, { data: wanted, shape: [2, inputs] })).toBeLessThan(1e-3);
  });
});

test('a network without stages of its own is refused with the layer that cannot be trained', async () => {
  const mobile = { ...backboneOf('resnet18_slim'), architecture: { family: 'resnet', block: 'basic', layers: [1, 1] } };
  await expect(readLastStage(mobile, 1)).rejects.toThrow(/tensor/);
});
