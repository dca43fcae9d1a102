import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GeneratedTensors, stream } from '../../scripts/generated-tensors.ts';
import { elementCount, type Tensor } from '../../src/common/tensor.ts';
import { writeOnnx } from '../../src/convert/formats/onnx/emitter.ts';
import { writeTfjs } from '../../src/convert/formats/tfjs/emitter.ts';
import { foldBatchNorm } from '../../src/convert/graph/fold-batch-norm.ts';
import { buildNetwork, parseArchitecture } from '../../src/convert/network.ts';
import { type Answers, maxDifference, runOnnxOnEach, runTfjs } from '../convert/runtimes.ts';

/** Outputs of torchvision for architectures of ours, made by scripts/golden/torchvision_outputs.py. */
export const TORCHVISION_FOLDER = 'test/golden/torchvision';

/**
 * Compares an architecture with the outputs of the reference implementation in a JSON file, on generated weights. The
 * input of the reference is normalised already: the graph is built with mean 0 and deviation 1/255, which scales by 1,
 * and with a float input.
 */
export function describeReference(architecture: string, path: string): void {
  describe(architecture, () => {
    let directory: string;
    let golden: Golden;
    let onnxPath: string;
    let tfjsPath: string;

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), `menagerie-${architecture}-`));
      golden = await readGolden(path);
      const options = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255], inputSize: golden.size, numClasses: 1000 };
      const graph = foldBatchNorm(buildNetwork(parseArchitecture(architecture), golden.tensors, options));
      onnxPath = join(directory, 'model.onnx');
      await writeOnnx(graph, onnxPath, { pixelType: 'float32' });
      tfjsPath = join(directory, 'tfjs', 'model.json');
      await writeTfjs(graph, join(directory, 'tfjs'));
    });
    afterAll(() => rm(directory, { recursive: true }));

    test('the generated weights are those of the reference', async () => {
      for (const [tensor, values] of Object.entries(golden.firstValues)) {
        expect(Array.from((await golden.tensors.read(tensor)).slice(0, values.length))).toEqual(values);
      }
    });

    test('ONNX gives the outputs of the reference, at any batch size', async () => {
      const [both, alone] = await runOnnxOnEach(onnxPath, [golden.input, row(golden.input, 1)]);
      expectGolden(both, golden);
      expectGolden(alone, outputsOf(golden, 1));
    });

    // A single image: TF.js runs on one core, where both take twice as long and tell nothing more of an architecture.
    test('TF.js gives the outputs of the reference', async () => {
      expectGolden(await runTfjs(tfjsPath, row(golden.input, 1)), outputsOf(golden, 1));
    });
  });
}

interface Golden extends Outputs {
  readonly tensors: GeneratedTensors;
  readonly firstValues: Readonly<Record<string, number[]>>;
  readonly size: [height: number, width: number];
  /** `[2, height, width, 3]` */
  readonly input: Tensor;
}

/** What the reference gives. */
interface Outputs {
  readonly logits: Tensor;
  readonly features: Tensor;
  /** The largest difference from it that is allowed: the weights are random, so logits have no scale of their own. */
  readonly tolerances: { readonly logits: number; readonly features: number };
}

/** The tensor of a reference file: `<name>_f32_base64`, little-endian floats, and `<name>_shape`. */
export function floatTensor(json: Readonly<Record<string, unknown>>, name: string): Tensor {
  const bytes = Uint8Array.from(Buffer.from(String(json[`${name}_f32_base64`]), 'base64'));
  return { data: new Float32Array(bytes.buffer), shape: json[`${name}_shape`] as number[] };
}

async function readGolden(path: string): Promise<Golden> {
  const json = JSON.parse(await readFile(path, 'utf8'));
  const floats = (name: string) => floatTensor(json, name);
  const [images, channels, height, width] = json.input_shape_nchw;
  const [logits, features] = [floats('logits'), floats('features')];
  return {
    tensors: new GeneratedTensors(json.prefix, json.tensors),
    firstValues: json.first_weight_values,
    size: [height, width],
    input: { data: chessboard(json.prefix, images, channels, height, width), shape: [images, height, width, channels] },
    logits,
    features,
    tolerances: { logits: tolerance(logits), features: tolerance(features) },
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

function outputsOf({ logits, features, tolerances }: Golden, index: number): Outputs {
  return { logits: row(logits, index), features: row(features, index), tolerances };
}

function expectGolden(answers: Answers | undefined, { logits, features, tolerances }: Outputs): void {
  if (answers === undefined) throw new Error('no answers');
  expect(maxDifference(answers.logits, logits)).toBeLessThan(tolerances.logits);
  expect(maxDifference(answers.features, features)).toBeLessThan(tolerances.features);
}

/** A thousandth of the difference between the two images. */
function tolerance(golden: Tensor): number {
  return 1e-3 * maxDifference(row(golden, 0), row(golden, 1));
}

/** One of the rows of a tensor, as a batch of one. */
function row({ data, shape }: Tensor, index: number): Tensor {
  const [, ...rest] = shape;
  const length = elementCount(rest);
  return { data: data.slice(index * length, (index + 1) * length), shape: [1, ...rest] };
}
