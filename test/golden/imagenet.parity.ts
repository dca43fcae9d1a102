import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GeneratedTensors, stream } from '../../scripts/generated-tensors.ts';
import type { Tensor } from '../../src/common/tensor.ts';
import { buildNetwork, parseArchitecture } from '../../src/convert/architectures/index.ts';
import { writeOnnx } from '../../src/convert/formats/onnx/emitter.ts';
import { writeTfjs } from '../../src/convert/formats/tfjs/emitter.ts';
import { foldBatchNorm } from '../../src/convert/graph/fold-batch-norm.ts';
import { type Answers, maxDifference, runOnnx, runTfjs } from '../convert/runtimes.ts';
import { SHARED_ABSENT, sharedPath } from '../shared-data.ts';

/**
 * Every architecture at full size against the reference implementation, on generated weights. The goldens' input is
 * normalised already: the graph is built with mean 0 and deviation 1/255, which scales by 1, and with a float input.
 */
const folder = sharedPath('golden');
const names = folder === undefined ? [] : (await readdir(folder)).filter((name) => name.endsWith('.json'));

if (folder === undefined) test.skip(SHARED_ABSENT, () => {});

describe.each(names.map((name) => basename(name, '.json')))('%s', (name) => {
  let directory: string;
  let golden: Golden;
  let onnxPath: string;
  let tfjsPath: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), `menagerie-${name}-`));
    golden = await readGolden(join(folder ?? '', `${name}.json`));
    const identity = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] };
    const graph = foldBatchNorm(
      buildNetwork(parseArchitecture(name), golden.tensors, { ...identity, inputSize: golden.size, numClasses: 1000 }),
    );
    onnxPath = join(directory, 'model.onnx');
    await writeOnnx(graph, onnxPath, { pixelType: 'float32' });
    tfjsPath = join(directory, 'tfjs', 'model.json');
    await writeTfjs(graph, join(directory, 'tfjs'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('the weights are those of the golden', async () => {
    for (const [tensor, values] of Object.entries(golden.firstValues)) {
      expect(Array.from((await golden.tensors.read(tensor)).slice(0, values.length))).toEqual(values);
    }
  });

  test('ONNX answers as the reference, at any batch size', async () => {
    expectGolden(await runOnnx(onnxPath, golden.input), golden);
    const [height, width] = golden.size;
    const second = { data: golden.input.data.slice(height * width * 3), shape: [1, height, width, 3] };
    const alone = await runOnnx(onnxPath, second);
    expect(maxDifference(alone.logits, row(golden.logits, 1))).toBeLessThan(tolerance(golden.logits));
  });

  test('TF.js answers as the reference', async () => {
    expectGolden(await runTfjs(tfjsPath, golden.input), golden);
  });
});

interface Golden {
  readonly tensors: GeneratedTensors;
  readonly firstValues: Readonly<Record<string, number[]>>;
  readonly size: [height: number, width: number];
  /** `[2, height, width, 3]` */
  readonly input: Tensor;
  readonly logits: Tensor;
  readonly features: Tensor;
}

async function readGolden(path: string): Promise<Golden> {
  const json = JSON.parse(await readFile(path, 'utf8'));
  const floats = (name: string) => {
    const bytes = Uint8Array.from(Buffer.from(json[`${name}_f32_base64`], 'base64'));
    return { data: new Float32Array(bytes.buffer), shape: json[`${name}_shape`] };
  };
  const [images, channels, height, width] = json.input_shape_nchw;
  return {
    tensors: new GeneratedTensors(json.prefix, json.tensors),
    firstValues: json.first_weight_values,
    size: [height, width],
    input: { data: chessboard(json.prefix, images, channels, height, width), shape: [images, height, width, channels] },
    logits: floats('logits'),
    features: floats('features'),
  };
}

/** 8 x 8 cells of one colour each, stretched over the image. */
function chessboard(prefix: string, images: number, channels: number, height: number, width: number): Float32Array {
  const cells = stream(`${prefix}input`, images * channels * 64, -2, 2);
  return Float32Array.from({ length: images * height * width * channels }, (_, index) => {
    const channel = index % channels;
    const x = Math.floor(index / channels) % width;
    const y = Math.floor(index / (channels * width)) % height;
    const image = Math.floor(index / (channels * width * height));
    const cell = Math.floor((8 * y) / height) * 8 + Math.floor((8 * x) / width);
    return cells[(image * channels + channel) * 64 + cell] ?? 0;
  });
}

function expectGolden(answers: Answers, { logits, features }: Golden): void {
  expect(maxDifference(answers.logits, logits)).toBeLessThan(tolerance(logits));
  expect(maxDifference(answers.features, features)).toBeLessThan(tolerance(features));
}

/** A thousandth of what the two images differ by: logits of random weights have no size of their own. */
function tolerance(golden: Tensor): number {
  return 1e-3 * maxDifference(row(golden, 0), row(golden, 1));
}

function row({ data, shape }: Tensor, index: number): Tensor {
  const [, length = 0] = shape;
  return { data: data.slice(index * length, (index + 1) * length), shape: [1, length] };
}
