import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import type { PixelTensor, Tensor } from '../../../src/common/tensor.ts';
import type { HeadValues } from '../../../src/convert/architectures/head.ts';
import { writeOnnx } from '../../../src/convert/formats/onnx/emitter.ts';
import { SafetensorsFile } from '../../../src/convert/formats/safetensors/reader.ts';
import { writeTfjs } from '../../../src/convert/formats/tfjs/emitter.ts';
import { buildNetwork, parseArchitecture } from '../../../src/convert/network.ts';
import { writeFineTuned } from '../../../src/convert/transfer/fine-tuned.ts';
import { type FineTuneBackbone, writeLayeredNetwork } from '../../../src/convert/transfer/layered-network.ts';
import { CLASSIFIER_OUTPUTS } from '../../../src/runtime/session.ts';
import { type Answers, maxDifference, runOnnx, runTfjs } from '../runtimes.ts';

/** The logits of a fine-tuned model are those of its head over the features of its backbone. */
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-fine-tuned-'));
});
afterEach(() => rm(folder, { recursive: true }));

const preprocessing = { inputSize: [64, 64], mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
const resnet: FineTuneBackbone = {
  ...preprocessing,
  architecture: 'resnet18_slim',
  weightsPath: 'zoo/resnet18_slim.tiny200/weights.safetensors',
};
const pixels: PixelTensor = {
  data: Uint8Array.from(stream('photo', 2 * 64 * 64 * 3, 0, 256)),
  shape: [2, 64, 64, 3],
};

const DEEPEST = 'layer4.1.conv2.weight';

test('a dense layer over the features', async () => {
  const head = headOf('features', 256, 3);
  const { answers } = await fineTuned(resnet, head, 'tuned');
  const { features } = await answersOf(resnet, 'backbone');
  expect(maxDifference(answers.features, features)).toBeLessThan(1e-5);
  expect(maxDifference(answers.logits, apply(head, features))).toBeLessThan(1e-4);
});

test('hidden layers', async () => {
  const head = headOf('features', 256, 16, 8, 3);
  const { answers } = await fineTuned(resnet, head, 'tuned');
  expect(answers.features.shape).toEqual([2, 8]);
  const { features } = await answersOf(resnet, 'backbone');
  expect(maxDifference(answers.logits, apply(head, features))).toBeLessThan(1e-4);
});

test('a head over a fine-tuned model keeps its hidden layers', async () => {
  const first = await fineTuned(resnet, headOf('features', 256, 16, 5), 'first');
  const head = headOf('features', 16, 7, 3);
  const second = await fineTuned(first.model, head, 'second');
  expect(second.model.architecture).toMatchObject({ head: { from: 'features', hidden: [16, 7] } });
  expect(maxDifference(second.answers.logits, apply(head, first.answers.features))).toBeLessThan(1e-4);
});

test('a head over the activations needs no layers after them', async () => {
  const first = await fineTuned(resnet, headOf('features', 256, 16, 5), 'first');
  const head = headOf('activations', 256, 3);
  const second = await fineTuned(first.model, head, 'second');
  expect(second.model.architecture).toMatchObject({ head: { from: 'activations', hidden: [] } });
  // The features of a ResNet are the means of its activations.
  const { features } = await answersOf(resnet, 'backbone');
  expect(maxDifference(second.answers.logits, apply(head, features))).toBeLessThan(1e-4);
});

describe('a head that reads earlier maps', () => {
  const LAYERS = [
    { name: 'layer1.1.relu', size: 32 },
    { name: 'layer2.1.relu', size: 64 },
    { name: 'layer3.1.relu', size: 128 },
    { name: 'avgpool', size: 256 },
  ];

  test('reads the features of the layered network', async () => {
    const path = join(folder, 'layered.onnx');
    expect(await writeLayeredNetwork(resnet, path)).toEqual(LAYERS);
    const offered = (await runOnnx(path, pixels)).features;
    const { features } = await answersOf(resnet, 'backbone');
    expect(maxDifference(columns(offered, -256), features)).toBeLessThan(1e-5);
    const head = { ...headOf('features', 128 + 256, 8, 3), earlier: 1 };
    const { model, answers } = await fineTuned(resnet, head, 'tuned');
    expect(model.architecture).toMatchObject({ head: { from: 'features', earlier: 1, hidden: [8] } });
    expect(maxDifference(answers.logits, apply(head, columns(offered, -384)))).toBeLessThan(1e-4);
  });

  test('is the same in both formats', async () => {
    const head = { ...headOf('features', 480, 3), earlier: 3 };
    const { model, answers } = await fineTuned(resnet, head, 'tuned');
    const weights = await SafetensorsFile.open(model.weightsPath);
    const graph = buildNetwork(parseArchitecture(model.architecture), weights, model);
    const [tfjs] = await writeTfjs(graph, join(folder, 'tfjs'));
    await weights.close();
    const others = await runTfjs(tfjs?.path ?? '', pixels);
    for (const name of CLASSIFIER_OUTPUTS) expect(maxDifference(others[name], answers[name])).toBeLessThan(1e-4);
  });

  test('keeps them as the backbone of another head, which cannot read earlier maps itself', async () => {
    const first = await fineTuned(resnet, { ...headOf('features', 480, 5), earlier: 3 }, 'first');
    const head = headOf('features', 480, 3);
    const second = await fineTuned(first.model, head, 'second');
    expect(second.model.architecture).toMatchObject({ head: { earlier: 3, hidden: [] } });
    expect(maxDifference(second.answers.logits, apply(head, first.answers.features))).toBeLessThan(1e-4);
    expect(await writeLayeredNetwork(second.model, join(folder, 'layered.onnx'))).toEqual([
      { name: 'joined_features', size: 480 },
    ]);
    await expect(fineTuned(second.model, { ...head, earlier: 1 }, 'third')).rejects.toThrow(
      'or reads earlier maps itself',
    );
  });

  test('cannot read more of them than there are', async () => {
    const head = { ...headOf('features', 480, 3), earlier: 4 };
    await expect(fineTuned(resnet, head, 'tuned')).rejects.toThrow(
      'the head reads 4 earlier maps, but the network has only 3',
    );
  });
});

describe('the file', () => {
  test('has the stored tensors of the backbone, without unused layers', async () => {
    await fineTuned(resnet, headOf('features', 256, 3), 'tuned', { dataset: 'flowers' });
    const [before, after] = [resnet.weightsPath, join(folder, 'tuned.safetensors')].map(SafetensorsFile.open);
    const [original, tuned] = [await before, await after];
    if (original === undefined || tuned === undefined) throw new Error('two files');
    expect(tuned.metadata).toEqual({ dataset: 'flowers' });
    expect([...tuned.names()].filter((name) => name.startsWith('fc.') || name.startsWith('head.'))).toEqual([
      'head.0.weight',
      'head.0.bias',
    ]);
    const [kept, stored] = [await tuned.readBytes(DEEPEST), await original.readBytes(DEEPEST)];
    expect(Buffer.compare(kept, stored)).toBe(0);
    await original.close();
    await tuned.close();
  });

  test('is not written for a head that does not fit', async () => {
    await expect(fineTuned(resnet, headOf('features', 255, 3), 'tuned')).rejects.toThrow(
      'the first layer of the head reads 255 values, but the backbone gives 256 from its features',
    );
  });
});

async function fineTuned(
  backbone: FineTuneBackbone,
  head: HeadValues,
  name: string,
  metadata?: Record<string, string>,
): Promise<{ model: FineTuneBackbone; answers: Answers }> {
  const weightsPath = join(folder, `${name}.safetensors`);
  const architecture = await writeFineTuned(backbone, head, weightsPath, metadata && { metadata });
  const model = { ...preprocessing, architecture, weightsPath };
  return { model, answers: await answersOf(model, name) };
}

async function answersOf({ weightsPath, architecture, ...options }: FineTuneBackbone, name: string): Promise<Answers> {
  const weights = await SafetensorsFile.open(weightsPath);
  const path = join(folder, `${name}.onnx`);
  await writeOnnx(buildNetwork(parseArchitecture(architecture), weights, options), path);
  await weights.close();
  return await runOnnx(path, pixels);
}

function headOf(from: HeadValues['from'], ...sizes: number[]): HeadValues {
  const layers = sizes.slice(1).map((outputs, index) => {
    const inputs = sizes[index] ?? 0;
    const weight = stream(`weight${index}`, inputs * outputs, -0.3, 0.3);
    return { inputs, outputs, weight, bias: stream(`bias${index}`, outputs, -0.3, 0.3) };
  });
  return { from, layers };
}

/** The columns of `[rows, width]` from `first` on, which counts from the end. */
function columns({ data, shape: [rows = 0, width = 0] }: Tensor, first: number): Tensor {
  const taken = Array.from({ length: rows }, (_, row) => [...data.slice(row * width, (row + 1) * width)].slice(first));
  return { data: Float32Array.from(taken.flat()), shape: [rows, -first] };
}

/** A plain implementation of the head. */
function apply({ layers }: HeadValues, features: Tensor): Tensor {
  return layers.reduce((x, { inputs, outputs, weight, bias }, index) => {
    const [rows = 0] = x.shape;
    const data = Float32Array.from({ length: rows * outputs }, (_, position) => {
      const [row, output] = [Math.floor(position / outputs), position % outputs];
      let sum = bias[output] ?? 0;
      for (let input = 0; input < inputs; input += 1) {
        sum += (x.data[row * inputs + input] ?? 0) * (weight[output * inputs + input] ?? 0);
      }
      return index < layers.length - 1 ? Math.max(sum, 0) : sum;
    });
    return { data, shape: [rows, outputs] };
  }, features);
}
