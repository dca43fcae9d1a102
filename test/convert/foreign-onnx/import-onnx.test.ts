import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import { convertModel } from '../../../src/convert/convert-model.ts';
import type { OnnxHints } from '../../../src/convert/foreign-onnx/architecture.ts';
import { writeWrappedOnnx } from '../../../src/convert/foreign-onnx/convert-onnx.ts';
import { importOnnx } from '../../../src/convert/foreign-onnx/import-onnx.ts';
import type { NodeProto } from '../../../src/convert/formats/onnx/proto.ts';
import { readOnnxFile } from '../../../src/convert/formats/onnx/reader.ts';
import { writeOnnxFile } from '../../../src/convert/formats/onnx/writer.ts';
import { runOnnx } from '../runtimes.ts';
import { floats, integers, node, smallClassifier, value, weights, writeForeign } from './foreign-model.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-import-onnx-'));
  path = join(folder, 'theirs.onnx');
});
afterEach(() => rm(folder, { recursive: true }));

const hints = { family: 'onnx', channel_order: 'rgb' } as const;

test('options that are not given are found', async () => {
  await writeForeign(path, smallClassifier());
  const imported = await importOnnx(path, { hints }, join(folder, 'model.onnx'));
  expect(imported).toMatchObject({
    inputSize: [8, 8],
    evidence: {},
    isSizeOpen: false,
    numClasses: 3,
    featureSize: 4,
    parameters: 4 * 27 + 4 + 12 + 3,
    architecture: { input: 'image', layout: 'nchw', output: 'logits', features: 'flat', activations: 'relu' },
  });
  expect(await readFile(join(folder, 'model.onnx'))).toEqual(await readFile(path));
  expect((await readdir(folder)).sort()).toEqual(['model.onnx', 'theirs.onnx']);
});

describe('one score for each image becomes two classes', () => {
  const model = (...last: NodeProto[]) => {
    const { nodes, tensors = [] } = smallClassifier();
    const others = tensors.filter(({ name }) => name !== 'fc.weight' && name !== 'fc.bias');
    const outputs = last.at(-1)?.outputs ?? ['logits'];
    return {
      nodes: [...nodes, ...last],
      tensors: [...others, weights('fc.weight', [1, 4]), weights('fc.bias', [1]), integers('all', [-1])],
      outputs,
    };
  };
  const sigmoid = node('Sigmoid', ['logits'], 'score');
  test.each<[string, NodeProto[], 'logits' | 'probabilities' | undefined]>([
    ['a logit', [], undefined],
    ['a sigmoid', [sigmoid], undefined],
    ['a sigmoid without the dimension of classes', [sigmoid, node('Reshape', ['score', 'all'], 'scores')], undefined],
    [
      'a probability of which that is said',
      [node('HardSigmoid', ['logits'], 'score', { alpha: { float: 0.3 } })],
      'probabilities',
    ],
  ])('%s', async (_, last, output_kind) => {
    await writeForeign(path, model(...last));
    const answers = async (given: OnnxHints) => {
      const written = join(folder, `${given.output ?? 'found'}.onnx`);
      const source = { weightsPath: path, hints: given, inputSize: [8, 8], mean: [0, 0, 0], std: [1, 1, 1] } as const;
      await writeWrappedOnnx(source, written, join(folder, 'explanation.onnx'), () => {});
      return await runOnnx(written, {
        data: Uint8Array.from({ length: 192 }, (_, index) => index),
        shape: [1, 8, 8, 3],
      });
    };
    const imported = await importOnnx(path, { hints: { ...hints, output_kind } }, join(folder, 'model.onnx'));
    expect(imported.numClasses).toBe(2);
    const { probabilities } = await answers({ ...hints, output_kind });
    const [zero = 1, x = 0] = (await answers({ ...hints, output: 'logits', output_kind: 'logits' })).logits.data;
    expect(Math.abs(zero)).toBe(0);
    expect(Math.abs(x)).toBeGreaterThan(0.01);
    const p = output_kind === 'probabilities' ? Math.min(1, Math.max(0, 0.3 * x + 0.5)) : 1 / (1 + Math.exp(-x));
    expect(probabilities.data[0]).toBeCloseTo(1 - p, 5);
    expect(probabilities.data[1]).toBeCloseTo(p, 5);
  });
});

test('nodes may be in any order, as converters to float16 leave them', async () => {
  const { nodes, ...rest } = smallClassifier();
  await writeForeign(path, { ...rest, nodes: nodes.toReversed() });
  expect((await importOnnx(path, { hints }, join(folder, 'model.onnx'))).architecture).toMatchObject({
    features: 'flat',
  });
});

describe('the first operations tell which pixels the model takes', () => {
  const perChannel = (name: string, values: readonly number[]) => floats(name, [1, 3, 1, 1], values);
  test.each([
    ['a factor of 1 / 255', 255, [node('Mul', ['image', 'a'], 'x')], [floats('a', [], [1 / 255])]],
    ['a factor on the left', 255, [node('Mul', ['a', 'image'], 'x')], [floats('a', [], [1 / 255])]],
    [
      'a division, then mean and deviation',
      255,
      [node('Div', ['image', 'a'], 'y'), node('Sub', ['y', 'b'], 'z'), node('Div', ['z', 'c'], 'x')],
      [floats('a', [], [255]), perChannel('b', [0.485, 0.456, 0.406]), perChannel('c', [0.229, 0.224, 0.225])],
    ],
    [
      'mean and deviation of 0..1',
      1,
      [node('Sub', ['image', 'b'], 'z'), node('Div', ['z', 'c'], 'x')],
      [perChannel('b', [0.485, 0.456, 0.406]), perChannel('c', [0.229, 0.224, 0.225])],
    ],
    [
      'a factor of 2, less 1',
      1,
      [node('Mul', ['image', 'a'], 'y'), node('Add', ['y', 'b'], 'x')],
      [floats('a', [], [2]), floats('b', [], [-1])],
    ],
    ["Caffe's mean", 255, [node('Sub', ['image', 'b'], 'x')], [perChannel('b', [123.68, 116.78, 103.94])]],
    [
      'a batch norm over bytes',
      255,
      [node('BatchNormalization', ['image', 'one', 'zero', 'mean', 'variance'], 'x')],
      [
        floats('one', [3], [1, 1, 1]),
        floats('zero', [3], [0, 0, 0]),
        floats('mean', [3], [120, 115, 100]),
        floats('variance', [3], [3300, 3200, 3400]),
      ],
    ],
    [
      'a batch norm over what is normalised already, which tells nothing',
      undefined,
      [node('BatchNormalization', ['image', 'one', 'zero', 'zero', 'one'], 'x')],
      [floats('one', [3], [1, 1, 1]), floats('zero', [3], [0, 0, 0])],
    ],
  ] as const)('%s', async (_, pixelMaximum, first, constants) => {
    const { nodes, tensors = [], outputs } = smallClassifier();
    const [convolution, ...others] = nodes;
    const inputs = ['x', ...(convolution?.inputs ?? []).slice(1)];
    const all = [...first, { ...convolution, inputs }, ...others];
    await writeForeign(path, { nodes: all, tensors: [...tensors, ...constants], outputs });
    const imported = await importOnnx(path, { hints }, join(folder, 'model.onnx'));
    const { scaling } = imported.evidence;
    expect(scaling && 1 / scaling.std[0]).toBe(pixelMaximum);
  });
});

test('given options are used', async () => {
  await writeForeign(path, { ...smallClassifier(), inputs: [value('image', [0, 3, 0, 0])] });
  const given = { inputSize: [16, 12] as const };
  const imported = await importOnnx(path, { hints, ...given }, join(folder, 'model.onnx'));
  expect(imported).toMatchObject({
    ...given,
    isSizeOpen: true,
    architecture: { shapes: { activations: [1, 4, 16, 12] } },
  });
});

test('weights in files beside the model are moved into it', async () => {
  const { tensors: all = [], ...model } = smallClassifier();
  // Large enough to be read on demand.
  const wide = [weights('conv.weight', [2048, 3, 3, 3]), weights('conv.bias', [2048]), weights('fc.weight', [3, 2048])];
  const tensors = [...wide, ...all.filter(({ name }) => !wide.some((each) => each.name === name))].map((tensor) =>
    tensor.name === 'target' ? { ...tensor, int64Data: [1, 2048] } : tensor,
  );
  const inline = await writeForeign(join(folder, 'inline.onnx'), { ...model, tensors });
  const file = await readOnnxFile(inline);
  const written = await writeOnnxFile(path, file.model, file.graph, file.tensors, { externalAboveBytes: 0 });
  expect(written.map((each) => each.path)).toEqual([path, `${path}.data`]);

  const imported = await importOnnx(path, { hints }, join(folder, 'model.onnx'));
  await rm(`${path}.data`);
  const source = { ...imported, mean: [0, 0, 0], std: [1, 1, 1], weightsPath: join(folder, 'model.onnx') };
  const conversion = await convertModel(source, join(folder, 'converted'));
  expect(conversion.featureSize).toBe(2048);
  const expected = await convertModel({ ...source, weightsPath: inline }, join(folder, 'expected'));
  const photo = { data: Uint8Array.from(stream('photo', 192, 0, 256)), shape: [1, 8, 8, 3] };
  const { logits } = await runOnnx(conversion.onnx.path, photo);
  expect(logits).toEqual((await runOnnx(expected.onnx.path, photo)).logits);
});
