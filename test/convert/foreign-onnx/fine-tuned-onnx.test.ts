import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import type { PixelTensor, Tensor } from '../../../src/common/tensor.ts';
import type { HeadValues } from '../../../src/convert/architectures/head.ts';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { writeFineTuned } from '../../../src/convert/transfer/fine-tuned.ts';
import type { FineTuneBackbone } from '../../../src/convert/transfer/layered-network.ts';
import { type NoveltyValues, writeNovelty } from '../../../src/convert/transfer/novelty.ts';
import { type Answers, maxDifference, runOnnx } from '../runtimes.ts';
import { smallClassifier, writeForeign } from './foreign-model.ts';

/** A fine-tuned foreign model: the backbone and our head in one ONNX file. */
let folder: string;
let backbone: FineTuneBackbone;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-tuned-onnx-'));
  const weightsPath = await writeForeign(join(folder, 'theirs.onnx'), smallClassifier({ softmax: true }));
  const scaling = { mean: [0.5, 0.4, 0.3], std: [0.2, 0.25, 0.3] };
  backbone = { weightsPath, architecture: { family: 'onnx' }, inputSize: [8, 8], ...scaling };
});
afterEach(() => rm(folder, { recursive: true }));

const photos: PixelTensor = { data: Uint8Array.from(stream('photo', 2 * 8 * 8 * 3, 0, 256)), shape: [2, 8, 8, 3] };

test('a head over the features', async () => {
  const before = await answersOf(backbone, 'before');
  const head = headOf('features', 4, 6, 2);
  const { answers } = await fineTuned(backbone, head, 'tuned');
  expect(answers.features.shape).toEqual([2, 6]);
  expect(maxDifference(answers.logits, apply(head, before.features))).toBeLessThan(1e-5);
  expect(maxDifference(answers.activations, before.activations)).toBe(0);
});

test('a head over the activations', async () => {
  const before = await answersOf(backbone, 'before');
  const head = headOf('activations', 4, 5);
  const { answers } = await fineTuned(backbone, head, 'tuned');
  // The features of this model are the means of its activations.
  expect(maxDifference(answers.logits, apply(head, before.features))).toBeLessThan(1e-5);
});

test('a fine-tuned model can be the backbone of another', async () => {
  const first = await fineTuned(backbone, headOf('features', 4, 6, 2), 'first');
  const head = headOf('features', 6, 3);
  const { answers } = await fineTuned(first.model, head, 'second');
  expect(maxDifference(answers.logits, apply(head, first.answers.features))).toBeLessThan(1e-5);
});

test.each([
  ['the features', [4, 3], 1],
  ['the layer below the hidden ones', [4, 6, 5, 3], 3],
])('a detector of unknown images reads %s', async (_, sizes, layers) => {
  const { features } = await answersOf(backbone, 'before');
  const { model } = await fineTuned(backbone, headOf('features', ...sizes), 'tuned');
  const detector = {
    dimension: 4,
    classes: stream('classes', 2 * 4, -1, 1),
    bias: stream('bias', 2, -3, -2),
    projection: stream('projection', 3 * 4, -1, 1),
    threshold: 0.7,
    layers,
  };
  const noveltyPath = join(folder, 'novelty.safetensors');
  await writeNovelty(detector, noveltyPath);
  const { novelty } = await answersOf({ ...model, noveltyPath }, 'detecting');
  expect(maxDifference(novelty ?? features, noveltiesOf(detector, features))).toBeLessThan(1e-4);
});

test('a detector of other features is refused', async () => {
  const values = { classes: new Float32Array(5), bias: new Float32Array(1), projection: new Float32Array(5) };
  const noveltyPath = join(folder, 'novelty.safetensors');
  await writeNovelty({ dimension: 5, ...values, threshold: 1, layers: 4 }, noveltyPath);
  const { model } = await fineTuned(backbone, headOf('features', 4, 3), 'tuned');
  await expect(answersOf({ ...model, noveltyPath }, 'refused')).rejects.toThrow('there are no 4 dense layers');
});

test('a head that does not fit is refused', async () => {
  await expect(fineTuned(backbone, headOf('features', 5, 2), 'tuned')).rejects.toThrow(
    'layer 0 of the head reads 5 values, but its input has 4 (from features)',
  );
});

/** A plain implementation of a detector: the distance to the nearest class, in units of the threshold. */
function noveltiesOf(detector: NoveltyValues, { data, shape: [rows = 0] }: Tensor): Tensor {
  const { dimension, classes, bias, projection, threshold } = detector;
  const product = (matrix: Float32Array, row: number, vector: readonly number[]) =>
    vector.reduce((sum, value, index) => sum + value * (matrix[row * dimension + index] ?? 0), 0);
  const novelties = Float32Array.from({ length: rows }, (_, row) => {
    const x = [...data.slice(row * dimension, (row + 1) * dimension)];
    const mean = x.reduce((sum, value) => sum + value, 0) / dimension;
    const deviation = Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / dimension);
    const u = x.map((value) => (value - mean) / deviation);
    const nearest = Math.max(...bias.map((value, label) => value + product(classes, label, u)));
    const ranks = Array.from({ length: projection.length / dimension }, (_, index) => product(projection, index, u));
    return -(nearest + ranks.reduce((sum, value) => sum + value ** 2, 0)) / threshold;
  });
  return { data: novelties, shape: [rows, 1] };
}

async function fineTuned(base: FineTuneBackbone, head: HeadValues, name: string) {
  const weightsPath = join(folder, `${name}.onnx`);
  const architecture = await writeFineTuned(base, head, weightsPath);
  const model = { ...base, weightsPath, architecture };
  return { model, answers: await answersOf(model, name) };
}

async function answersOf(model: FineTuneBackbone & { noveltyPath?: string }, name: string): Promise<Answers> {
  const { onnx } = await convertModel(model, join(folder, name));
  return await runOnnx(onnx.path, photos);
}

function headOf(from: HeadValues['from'], ...sizes: number[]): HeadValues {
  const layers = sizes.slice(1).map((outputs, index) => {
    const inputs = sizes[index] ?? 0;
    const weight = stream(`weight${index}`, inputs * outputs, -0.3, 0.3);
    return { inputs, outputs, weight, bias: stream(`bias${index}`, outputs, -0.3, 0.3) };
  });
  return { from, layers };
}

/** A plain implementation of the head: dense layers with a relu between them. */
function apply({ layers }: HeadValues, { data, shape: [rows = 0] }: Tensor): Tensor {
  const [last] = layers.slice(-1);
  const answers = Array.from({ length: rows }, (_, row) => {
    const width = data.length / rows;
    let values = Array.from(data.slice(row * width, (row + 1) * width));
    for (const { inputs, outputs, weight, bias } of layers) {
      const made = Array.from({ length: outputs }, (_, output) =>
        values.reduce((sum, value, input) => sum + value * (weight[output * inputs + input] ?? 0), bias[output] ?? 0),
      );
      values = weight === last?.weight ? made : made.map((value) => Math.max(0, value));
    }
    return values;
  });
  return { data: Float32Array.from(answers.flat()), shape: [rows, last?.outputs ?? 0] };
}
