import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import { prepareImport } from '../../../src/acquire/import/model-import.ts';
import { createLogger } from '../../../src/common/logger.ts';
import { decode, encode } from '../../../src/common/protobuf.ts';
import type { PixelTensor } from '../../../src/common/tensor.ts';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { modelProto, modelTail } from '../../../src/convert/formats/onnx/proto.ts';
import { writeFineTuned } from '../../../src/convert/transfer/fine-tuned.ts';
import type { FineTuneBackbone } from '../../../src/convert/transfer/layered-network.ts';
import { writeNovelty } from '../../../src/convert/transfer/novelty.ts';
import { toProperties } from '../../../src/registry/model-properties.ts';
import { readZoo } from '../../../src/registry/zoo.ts';
import { ConversionCache } from '../../../src/serving/conversion-cache.ts';
import { smallClassifier, writeForeign } from '../../convert/foreign-onnx/foreign-model.ts';
import { maxDifference, runOnnx } from '../../convert/runtimes.ts';

/** A model that was exported with a detector of unknown images, and is imported again. */
const FIGURES = {
  accepted: 0.96,
  measured_on: 'unknown_images',
  detector: { auroc: 0.9, false_positives: 0.3 },
} as const;
const CLASSES = ['ant', 'bee', 'cat'].map((label) => ({ label }));

let folder: string;
let resnet: FineTuneBackbone;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-exported-detector-'));
  const preprocessing = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  const weightsPath = 'zoo/resnet18_slim.tiny200/weights.safetensors';
  resnet = { ...preprocessing, architecture: 'resnet18_slim', weightsPath, inputSize: [64, 64] };
});
afterAll(() => rm(folder, { recursive: true }));

test.each([
  ['the last of several layers, below the hidden one', () => fineTuned([480, 8, 3], 3), 256, 2],
  ['the features of an imported ONNX model', foreign, 4, 1],
])('a detector of %s says the same after an export and an import', async (_, model, dimension, layers) => {
  const own = await mkdtemp(join(folder, 'model-'));
  const { path, before } = await exported(await model(), dimension, layers, own);
  const { again, notes } = await imported(path, own);
  const { novelty: figures } = again.manifest.file;
  expect(figures).toMatchObject(FIGURES);
  expect(notes).toContain('The model keeps its detector of unknown images (the output novelty).');
  const { onnx } = await new ConversionCache(join(own, 'again'), createLogger('silent')).get(again);
  const after = await runOnnx(onnx.path, photos(again.manifest.file.input_size[1]));
  if (before.novelty === undefined || after.novelty === undefined) throw new Error('there is no novelty');
  // The detectors see something, and not always the same.
  expect(new Set(before.novelty.data).size).toBe(2);
  expect(maxDifference(after.novelty, before.novelty)).toBeLessThan(1e-5);
  expect(maxDifference(after.probabilities, before.probabilities)).toBeLessThan(1e-5);
});

test('a detector that another tool has taken apart is not imported', async () => {
  const own = await mkdtemp(join(folder, 'model-'));
  const { path } = await exported(await foreign(), 4, 1, own);
  const model = decode(modelProto, await readFile(path));
  const initializers = (model.graph?.initializers ?? []).map((tensor) =>
    tensor.name === 'novelty.bias' ? { ...tensor, dims: [1, ...(tensor.dims ?? [])] } : tensor,
  );
  await writeFile(path, encode(modelProto, { ...model, graph: { ...model.graph, initializers } }));
  const { again, notes } = await imported(path, own);
  expect(await again.files()).not.toHaveProperty('noveltyPath');
  expect(notes).toContain('is not imported. menagerie evaluate --novelty fits a new one.');
});

async function fineTuned(sizes: readonly number[], earlier?: number): Promise<FineTuneBackbone> {
  const weightsPath = join(await mkdtemp(join(folder, 'tuned-')), 'weights.safetensors');
  const layers = sizes.slice(1).map((outputs, index) => {
    const inputs = sizes[index] ?? 0;
    const weight = stream(`weight${index}`, inputs * outputs, -0.3, 0.3);
    return { inputs, outputs, weight, bias: stream(`bias${index}`, outputs, -0.3, 0.3) };
  });
  const head = { from: 'features', layers, ...(earlier !== undefined && { earlier }) } as const;
  return { ...resnet, weightsPath, architecture: await writeFineTuned(resnet, head, weightsPath) };
}

async function foreign(): Promise<FineTuneBackbone> {
  const weightsPath = await writeForeign(join(await mkdtemp(join(folder, 'foreign-')), 'a.onnx'), smallClassifier());
  return { ...resnet, weightsPath, architecture: { family: 'onnx' }, inputSize: [8, 8] };
}

/** The ONNX file of an export of the model with a detector, and its answers. */
async function exported(model: FineTuneBackbone, dimension: number, layers: number, own: string) {
  const noveltyPath = join(own, 'novelty.safetensors');
  const classes = stream('classes', 2 * dimension, -1, 1);
  const bias = Float32Array.of(-3 * dimension, -3 * dimension);
  const projection = stream('projection', 3 * dimension, -1, 1);
  await writeNovelty({ dimension, classes, bias, projection, threshold: 2 * dimension, layers }, noveltyPath);
  const { onnx } = await convertModel({ ...model, noveltyPath }, join(own, 'converted'));
  const [seed] = (await readZoo('zoo')).models;
  if (seed === undefined) throw new Error('the zoo is empty');
  const input_size: [3, number, number] = [3, ...model.inputSize];
  const novelty = { ...FIGURES, file: 'novelty.safetensors', sha256: '0'.repeat(64) };
  const properties = toProperties({ ...seed.manifest.file, input_size, novelty }, CLASSES);
  const before = await runOnnx(onnx.path, photos(model.inputSize[0]));
  await appendFile(onnx.path, modelTail('1.2.3', properties));
  return { path: onnx.path, before };
}

/** The model as a server finds it. */
async function imported(path: string, own: string) {
  const pulledDir = join(own, 'zoo');
  const prepared = await prepareImport(
    { path, name: 'again', given: {} },
    { pulledDir, listing: { models: [], absent: [], problems: [] }, namedLabels: () => [] },
  );
  await prepared.commit();
  const again = (await readZoo('zoo', pulledDir)).models.find(({ name }) => name === 'again');
  if (again === undefined) throw new Error('the model is not in the zoo');
  return { again, notes: prepared.notes.join(' ') };
}

function photos(size: number): PixelTensor {
  return { data: Uint8Array.from(stream('photo', 2 * size * size * 3, 0, 256)), shape: [2, size, size, 3] };
}
