import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { stream } from '../../scripts/generated-tensors.ts';
import { elementCount, type Tensor } from '../../src/common/tensor.ts';
import { writeOnnx } from '../../src/convert/formats/onnx/emitter.ts';
import { SafetensorsFile } from '../../src/convert/formats/safetensors/reader.ts';
import { writeTfjs } from '../../src/convert/formats/tfjs/emitter.ts';
import { foldBatchNorm } from '../../src/convert/graph/fold-batch-norm.ts';
import { importKerasModel } from '../../src/convert/import/import-keras.ts';
import { importTfjsModel } from '../../src/convert/import/import-tfjs.ts';
import { buildNetwork } from '../../src/convert/network.ts';
import { maxDifference, runOnnx, runTfjs } from '../convert/runtimes.ts';

/** Small networks of Keras 3 with their outputs, made by scripts/golden/keras_models.py. */
export const KERAS_FOLDER = 'test/golden/keras';

/** The files that scripts/golden/keras_models.py writes of each model. */
export const MODEL_FILES = ['model.json', 'model.keras', 'model.h5'];

/** Imports a model and compares both formats with the outputs of Keras in `expected.json` beside it. */
export async function expectKerasOutputs(folder: string, file: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'menagerie-keras-'));
  try {
    const expected = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8'));
    const range: [number, number] = expected.range;
    const picture: Tensor = { data: stream('picture', elementCount(expected.shape), ...range), shape: expected.shape };
    const importer = file === 'model.json' ? importTfjsModel : importKerasModel;
    const weightsPath = join(directory, 'weights.safetensors');
    const { architecture, inputSize } = await importer(join(folder, file), undefined, weightsPath);
    const weights = await SafetensorsFile.open(weightsPath);
    try {
      const unscaled = { inputSize, mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] };
      const graph = foldBatchNorm(buildNetwork(architecture, weights, unscaled));
      await writeOnnx(graph, join(directory, 'model.onnx'), { pixelType: 'float32' });
      await writeTfjs(graph, join(directory, 'tfjs'));
    } finally {
      await weights.close();
    }
    const right: Tensor = {
      data: Float32Array.from(expected.probabilities.flat()),
      shape: [2, expected.probabilities[0].length],
    };
    const onnx = await runOnnx(join(directory, 'model.onnx'), picture);
    const tfjs = await runTfjs(join(directory, 'tfjs/model.json'), picture);
    expect(maxDifference(onnx.probabilities, right)).toBeLessThan(1e-4);
    expect(maxDifference(tfjs.probabilities, right)).toBeLessThan(1e-4);
  } finally {
    await rm(directory, { recursive: true });
  }
}
