import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GeneratedTensors, stream, tensorShapes } from '../../../scripts/generated-tensors.ts';
import type { PixelTensor, Tensor } from '../../../src/common/tensor.ts';
import { type ConversionSource, convertModel } from '../../../src/convert/convert-model.ts';
import { float32Tensor, writeSafetensors } from '../../../src/convert/formats/safetensors/writer.ts';
import {
  importCheckpoint,
  openCheckpoint,
  recognizeArchitecture,
} from '../../../src/convert/import/import-checkpoint.ts';
import { parseArchitecture } from '../../../src/convert/network.ts';
import { writeBackbone } from '../../../src/convert/transfer/backbone.ts';
import { writeFineTuned } from '../../../src/convert/transfer/fine-tuned.ts';
import { writeLayeredNetwork } from '../../../src/convert/transfer/layered-network.ts';
import { openOnnxSession } from '../../../src/runtime/onnx.ts';
import { CLASSIFIER_OUTPUTS } from '../../../src/runtime/session.ts';
import { maxDifference, runOnnx, runTfjs } from '../runtimes.ts';

/**
 * The only family whose classifier is a convolution. Conversion, explanation, fine-tuning and import must work for
 * it.
 */
let folder: string;
let source: ConversionSource;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-squeezenet-'));
  source = await squeezenet();
});
afterEach(() => rm(folder, { recursive: true }));

const CLASSES = 7;
const options = { inputSize: [64, 64], mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
const pixels: PixelTensor = {
  data: Uint8Array.from(stream('photo', 2 * 64 * 64 * 3, 0, 256)),
  shape: [2, 64, 64, 3],
};

test('both formats agree; the features are the mean of each channel of the activations', async () => {
  const { onnx, tfjs } = await convertModel(source, join(folder, 'converted'));
  const answers = await runOnnx(onnx.path, pixels);
  expect(answers.activations.shape).toEqual([2, 3, 3, 512]);
  expect(answers.logits.shape).toEqual([2, CLASSES]);
  expect(maxDifference(answers.features, meanOf(answers.activations))).toBeLessThan(1e-4);
  const others = await runTfjs(tfjs?.path ?? '', pixels);
  for (const name of CLASSIFIER_OUTPUTS) expect(maxDifference(others[name], answers[name])).toBeLessThan(1e-3);
});

test('the class activation map is exact: its cells add up to the logit', async () => {
  const { onnx, explanation } = await convertModel(source, join(folder, 'converted'));
  if ('refused' in explanation) throw new Error(explanation.refused);
  expect(explanation.method).toBe('cam');
  const session = await openOnnxSession({ path: onnx.path, explanation, threads: 1, runtime: 'onnx' });
  const { logits, explanation: map } = await session.run(pixels, ['logits', 'explanation'], [4, 1]);
  await session.close();
  const sums = [0, 1].map((row) => map?.data.slice(9 * row, 9 * row + 9).reduce((sum, cell) => sum + cell, 0) ?? 0);
  expect(sums[0]).toBeCloseTo(logits?.data[4] ?? Number.NaN, 3);
  expect(sums[1]).toBeCloseTo(logits?.data[CLASSES + 1] ?? Number.NaN, 3);
});

describe('a fine-tune', () => {
  const layer = { inputs: 512, outputs: 3, weight: stream('weight', 512 * 3, -0.1, 0.1), bias: new Float32Array(3) };

  test('replaces the convolution by dense layers over the features', async () => {
    const path = join(folder, 'tuned.safetensors');
    const architecture = await writeFineTuned(source, { from: 'features', layers: [layer] }, path);
    expect(architecture).toMatchObject({ family: 'squeezenet', head: { from: 'features', hidden: [] } });
    const tuned = { ...source, architecture, weightsPath: path, numClasses: 3 };
    const { onnx, explanation } = await convertModel(tuned, join(folder, 'tuned'));
    expect(explanation).toMatchObject({ method: 'cam' });
    const { logits, features } = await runOnnx(onnx.path, pixels);
    const original = await convertModel(source, join(folder, 'converted'));
    expect(maxDifference(features, (await runOnnx(original.onnx.path, pixels)).features)).toBeLessThan(1e-4);
    expect(logits.shape).toEqual([2, 3]);
  });

  test('can read earlier maps', async () => {
    const layers = await writeLayeredNetwork(source, join(folder, 'layered.onnx'));
    expect(layers.map(({ size }) => size)).toEqual([64, 128, 256, 512]);
  });

  test('needs no classifier in the checkpoint', async () => {
    const path = join(folder, 'backbone.safetensors');
    await rm(source.weightsPath);
    const shapes = Object.entries(shapesOf()).filter(([name]) => !name.startsWith('classifier.'));
    await write(source.weightsPath, Object.fromEntries(shapes));
    const { architecture, numFeatures } = await writeBackbone(source.weightsPath, source, path);
    expect(architecture.head).toMatchObject({ classifier: false });
    expect(numFeatures).toBe(512);
  });
});

test('a checkpoint is recognised by its tensors', async () => {
  const checkpoint = await openCheckpoint(source.weightsPath);
  expect(recognizeArchitecture(checkpoint.tensors)).toBe('squeezenet1_1');
  const target = join(folder, 'imported.safetensors');
  const imported = await importCheckpoint(source.weightsPath, checkpoint, 'squeezenet1_1', [64, 64], target);
  await checkpoint.close();
  expect(imported).toMatchObject({ numClasses: CLASSES, featureSize: 512, parameters: 722_496 + 513 * CLASSES });
});

function shapesOf() {
  return tensorShapes(parseArchitecture('squeezenet1_1'), { ...options, numClasses: CLASSES });
}

async function squeezenet(): Promise<ConversionSource> {
  const weightsPath = join(folder, 'squeezenet.safetensors');
  await write(weightsPath, shapesOf());
  return { weightsPath, architecture: 'squeezenet1_1', ...options };
}

async function write(path: string, shapes: ReturnType<typeof shapesOf>): Promise<void> {
  const generated = new GeneratedTensors('', shapes);
  const tensors = Object.entries(shapes).map(async ([name, shape]) =>
    float32Tensor(name, shape, await generated.read(name)),
  );
  await writeSafetensors(path, await Promise.all(tensors));
}

/** The mean of each channel of `[n, height, width, channels]`. */
function meanOf({ data, shape: [n = 0, height = 0, width = 0, channels = 0] }: Tensor): Tensor {
  const means = new Float32Array(n * channels);
  for (let index = 0; index < data.length; index += 1) {
    const at = Math.floor(index / (height * width * channels)) * channels + (index % channels);
    means[at] = (means[at] ?? 0) + (data[index] ?? 0) / (height * width);
  }
  return { data: means, shape: [n, channels] };
}
