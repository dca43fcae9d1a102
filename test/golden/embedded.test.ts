import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PixelTensor, Tensor } from '../../src/common/tensor.ts';
import type { Conversion } from '../../src/convert/conversion.ts';
import { convertModel } from '../../src/convert/convert-model.ts';
import { openSession } from '../../src/runtime/open-session.ts';
import { type Answers, maxDifference, runOnnx, runTfjs } from '../convert/runtimes.ts';
import { EMBEDDED } from './pictures.ts';
import { floatTensor } from './reference-outputs.ts';

/** The three embedded models compared with the framework that trained them, on four real images. */
describe.each(EMBEDDED)('%s', (id) => {
  let folder: string;
  let conversion: Conversion;
  let golden: Golden;
  let onnx: Answers;
  let tfjs: Answers;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'menagerie-embedded-'));
    golden = await readGolden(`test/golden/${id}.json`);
    const { architecture, mean, std, input_size, num_classes } = JSON.parse(
      await readFile(`zoo/${id}/manifest.json`, 'utf8'),
    );
    const [, ...inputSize] = input_size;
    const weightsPath = `zoo/${id}/weights.safetensors`;
    const source = { architecture, weightsPath, inputSize, mean, std, numClasses: num_classes };
    conversion = await convertModel(source, join(folder, 'model'));
    onnx = await runOnnx(conversion.onnx.path, golden.pixels);
    tfjs = await runTfjs(conversion.tfjs?.path ?? '', golden.pixels);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('ONNX and TF.js give the outputs of the training framework', () => {
    for (const answers of [onnx, tfjs]) {
      expect(maxDifference(answers.logits, golden.logits)).toBeLessThan(1e-3);
      expect(maxDifference(answers.features, golden.features)).toBeLessThan(1e-3);
    }
  });

  test('ONNX and TF.js agree in every output', () => {
    for (const name of ['probabilities', 'logits', 'features', 'activations'] as const) {
      expect(maxDifference(onnx[name], tfjs[name])).toBeLessThan(1e-4);
    }
  });

  test('the features are the means of the activations', () => {
    const [images = 0, height = 0, width = 0, channels = 0] = onnx.activations.shape;
    expect(conversion.activationShape).toEqual([height, width, channels]);
    const means = new Float32Array(images * channels);
    for (const [index, value] of onnx.activations.data.entries()) {
      const image = Math.floor(index / (height * width * channels));
      const mean = image * channels + (index % channels);
      means[mean] = (means[mean] ?? 0) + value / (height * width);
    }
    expect(maxDifference({ data: means, shape: [images, channels] }, onnx.features)).toBeLessThan(1e-4);
  });

  test('the cells of an explanation add up to the logit minus the bias', async () => {
    const { explanation } = conversion;
    if (!('path' in explanation)) throw new Error(explanation.refused);
    expect(explanation.method).toBe('cam');
    const session = await openSession({ runtime: 'onnx', path: conversion.onnx.path, explanation, threads: 1 });
    const [images = 0] = golden.pixels.shape;
    for (const index of [0, 58, 199]) {
      const classes = Array<number>(images).fill(index);
      const { explanation: cells, logits } = await session.run(golden.pixels, ['explanation', 'logits'], classes);
      if (cells === undefined || logits === undefined) throw new Error('an output is missing');
      // The bias is the same for all images, and so is the logit minus the cells.
      const rests = classes.map((_, image) => (rowOf(logits, image)[index] ?? 0) - sum(rowOf(cells, image)));
      for (const rest of rests) expect(rest).toBeCloseTo(rests[0] ?? Number.NaN, 4);
    }
    await session.close();
  });
});

const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);

function rowOf({ data, shape: [rows = 1] }: Tensor, row: number): Float32Array {
  const length = data.length / rows;
  return data.subarray(row * length, (row + 1) * length);
}

interface Golden {
  readonly pixels: PixelTensor;
  readonly logits: Tensor;
  readonly features: Tensor;
}

async function readGolden(path: string): Promise<Golden> {
  const json = JSON.parse(await readFile(path, 'utf8'));
  const pixels = { data: Uint8Array.from(Buffer.from(json.pixels_u8_base64, 'base64')), shape: json.pixels_shape_nhwc };
  return { pixels, logits: floatTensor(json, 'logits'), features: floatTensor(json, 'features') };
}
