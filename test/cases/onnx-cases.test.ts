import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, expect, test } from 'vitest';
import { stream } from '../../scripts/generated-tensors.ts';
import { prepareImport } from '../../src/acquire/import/model-import.ts';
import { convertModel } from '../../src/convert/convert-model.ts';
import { writeForeign } from '../convert/foreign-onnx/foreign-model.ts';
import { runOnnx } from '../convert/runtimes.ts';
import { ONNX_CASES, type OnnxCase } from './onnx-cases.ts';

/** An imported ONNX model, without any option, answers as ONNX Runtime does on the pixels that it is made for. */
const folder = await mkdtemp(join(tmpdir(), 'menagerie-onnx-cases-'));
afterAll(() => rm(folder, { recursive: true }));

const SIZE = 8;
/** Bright and dark pixels, of which no two channels are alike. */
const photo = Uint8Array.from(stream('photo', SIZE * SIZE * 3, 0, 256));

test.each(Object.entries(ONNX_CASES))('%s', async (name, each) => {
  const own = join(folder, name.replaceAll(/\W/g, '-'));
  await mkdir(own);
  const path = await writeForeign(join(own, 'theirs.onnx'), each.model);
  for (const [file, content] of Object.entries(each.beside ?? {}))
    await writeFile(join(own, file), JSON.stringify(content));
  const { manifest, discard } = await prepareImport(
    { path, name: 'theirs', given: each.anySize ? { input_size: [3, SIZE, SIZE] } : {} },
    {
      pulledDir: join(own, 'zoo'),
      listing: { models: [], absent: [], problems: [] },
      namedLabels: () => [],
    },
  );
  const { architecture, mean, std } = manifest;
  expect(manifest.input_size).toEqual([3, SIZE, SIZE]);
  const source = { weightsPath: path, architecture, mean, std, inputSize: [SIZE, SIZE] } as const;
  const { onnx } = await convertModel(source, join(own, 'converted'));
  await discard();
  const { logits } = await runOnnx(onnx.path, { data: photo, shape: [1, SIZE, SIZE, 3] });
  const expected = await theirs(path, each);
  expect(Array.from(logits.data)).toEqual(Array.from(expected, (logit) => expect.closeTo(logit, 4)));
});

/** The logits of the original model on the pixels that it is made for. */
async function theirs(path: string, { feed, channelsLast, bytes }: OnnxCase): Promise<Float32Array> {
  const area = SIZE * SIZE;
  const numbers = new Float32Array(3 * area);
  for (let pixel = 0; pixel < area; pixel += 1) {
    const [red = 0, green = 0, blue = 0] = photo.subarray(3 * pixel, 3 * pixel + 3);
    feed(red, green, blue).forEach((number, channel) => {
      numbers[channelsLast ? 3 * pixel + channel : channel * area + pixel] = number;
    });
  }
  const shape = channelsLast ? [1, SIZE, SIZE, 3] : [1, 3, SIZE, SIZE];
  const session = await ort.InferenceSession.create(path);
  const image = bytes
    ? new ort.Tensor('uint8', Uint8Array.from(numbers), shape)
    : new ort.Tensor('float32', numbers, shape);
  const { logits } = await session.run({ image });
  await session.release();
  if (!(logits?.data instanceof Float32Array)) throw new Error('the model has no logits');
  return logits.data;
}
