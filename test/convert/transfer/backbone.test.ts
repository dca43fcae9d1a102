import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GeneratedTensors, stream } from '../../../scripts/generated-tensors.ts';
import { elementCount } from '../../../src/common/tensor.ts';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { float32Tensor, writeSafetensors } from '../../../src/convert/formats/safetensors/writer.ts';
import { writeBackbone } from '../../../src/convert/transfer/backbone.ts';
import { writeFineTuned } from '../../../src/convert/transfer/fine-tuned.ts';
import { runOnnx } from '../runtimes.ts';

const architecture = { family: 'vgg', features: [4, 'M', 6, 6, 'M'], pool: 2, hidden: [8] };
const network = { architecture, inputSize: [16, 16] as const, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] };
const shapes = {
  'features.0.bias': [4],
  'features.0.weight': [4, 3, 3, 3],
  'features.3.bias': [6],
  'features.3.weight': [6, 4, 3, 3],
  'features.5.bias': [6],
  'features.5.weight': [6, 6, 3, 3],
  'classifier.0.bias': [8],
  'classifier.0.weight': [8, 24],
  'classifier.3.bias': [3],
  'classifier.3.weight': [3, 8],
};
/** Bytes of the dense layers, which are at the end. */
const dense = 4 * (8 + 8 * 24 + 3 + 3 * 8);

let folder: string;
let whole: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backbone-'));
  whole = join(folder, 'whole.safetensors');
  const tensors = new GeneratedTensors('', shapes);
  const written = Object.entries(shapes).map(async ([name, shape]) =>
    float32Tensor(name, shape, await tensors.read(name)),
  );
  await writeSafetensors(whole, await Promise.all(written));
});

afterEach(() => rm(folder, { recursive: true }));

/** The file without its last bytes. */
async function cut(bytes: number): Promise<string> {
  const path = join(folder, 'beginning');
  const content = await readFile(whole);
  await writeFile(path, content.subarray(0, content.length - bytes));
  return path;
}

describe('the backbone of a VGG', () => {
  test('is written from the beginning of the file, and gives the same fine-tuned model as the whole file', async () => {
    const weightsPath = join(folder, 'backbone.safetensors');
    const facts = await writeBackbone(await cut(dense), network, weightsPath);
    expect(facts).toMatchObject({ numFeatures: 6, parameters: 4 * 27 + 4 + 6 * 36 + 6 + 6 * 54 + 6 });

    const pixels = Uint8Array.from(stream('pixels', 2 * 16 * 16 * 3, 0, 256), Math.floor);
    const input = { data: pixels, shape: [2, 16, 16, 3] };
    const backbone = { ...network, architecture: facts.architecture, weightsPath };
    const converted = await convertModel(backbone, join(folder, 'backbone'));
    const { features } = await runOnnx(converted.onnx.path, input);
    const reference = await convertModel({ ...network, weightsPath: whole }, join(folder, 'whole'));
    const { activations } = await runOnnx(reference.onnx.path, input);
    expect(Array.from(features.data)).toEqual(
      channelMeans(activations.data, 2, 6).map((mean) => expect.closeTo(mean, 4)),
    );

    const layer = {
      inputs: 6,
      outputs: 2,
      weight: stream('weight', 12, -1, 1),
      bias: stream('bias', 2, -1, 1),
    };
    const tuned = join(folder, 'tuned.safetensors');
    const head = await writeFineTuned(backbone, { from: 'features', layers: [layer] }, tuned);
    expect(head).toMatchObject({ head: { from: 'activations', hidden: [] } });
    expect(head).not.toHaveProperty('head.classifier');
    const model = await convertModel({ ...network, architecture: head, weightsPath: tuned }, join(folder, 'tuned'));
    const { logits } = await runOnnx(model.onnx.path, input);
    const [first = 0] = layer.bias;
    const expected =
      first + Array.from(features.data.slice(0, 6)).reduce((sum, x, i) => sum + x * (layer.weight[i] ?? 0), 0);
    expect(logits.data[0]).toBeCloseTo(expected, 4);
  });

  test('needs all convolutions to be complete, and nothing else', async () => {
    const out = join(folder, 'backbone.safetensors');
    await expect(writeBackbone(await cut(dense + 4), network, out)).rejects.toThrow(
      'tensor "features.5.weight" of shape [6,6,3,3] is missing',
    );
    await expect(writeBackbone(await cut(dense - 4 * 8), network, out)).rejects.toThrow('"classifier.0.bias"');
  });
});

/** The mean of each channel of maps `[n, height, width, channels]`. */
function channelMeans(maps: Float32Array, images: number, channels: number): number[] {
  const means = Array<number>(images * channels).fill(0);
  const cells = maps.length / elementCount([images, channels]);
  maps.forEach((value, index) => {
    const image = Math.floor(index / (cells * channels));
    const at = image * channels + (index % channels);
    means[at] = (means[at] ?? 0) + value / cells;
  });
  return means;
}
