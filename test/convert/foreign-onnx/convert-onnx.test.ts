import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import type { PixelTensor, Tensor } from '../../../src/common/tensor.ts';
import { type ConversionSource, convertModel } from '../../../src/convert/convert-model.ts';
import { isComplete, parseOnnxArchitecture } from '../../../src/convert/foreign-onnx/architecture.ts';
import { writeWrappedOnnx } from '../../../src/convert/foreign-onnx/convert-onnx.ts';
import { type Answers, maxDifference, runOnnx } from '../runtimes.ts';
import { type ForeignModel, integers, node, smallClassifier, value, weights, writeForeign } from './foreign-model.ts';

/** A wrapped foreign classifier gives the same results as the original. */
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-foreign-'));
});
afterEach(() => rm(folder, { recursive: true }));

const scaling = { mean: [0.5, 0.4, 0.3], std: [0.2, 0.25, 0.3] };
const plain = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] };
const photos: PixelTensor = { data: Uint8Array.from(stream('photo', 2 * 8 * 8 * 3, 0, 256)), shape: [2, 8, 8, 3] };

/** A softmax written with other operators, so that no operator reveals it. */
const exponentials = [
  node('Exp', ['logits'], 'exp'),
  node('ReduceSum', ['exp', 'axis'], 'sum', { keepdims: 1 }),
  node('Div', ['exp', 'sum'], 'scores'),
];

describe('a model with channels first, exported for one image', () => {
  test('takes any number of images', async () => {
    const model = smallClassifier();
    const { answers, conversion } = await wrapped(model);
    expect(conversion).toMatchObject({ numClasses: 3, featureSize: 4, activationShape: [8, 8, 4] });
    expect(conversion.maxBatch).toBeUndefined();
    expect(conversion.tfjs).toBeUndefined();
    expect(maxDifference(answers.logits, await theirs(model, 'logits', channelsFirst(photos)))).toBeLessThan(1e-5);
    expect(answers.features.shape).toEqual([2, 4]);
    expect(maxDifference(answers.features, meanOf(answers.activations))).toBeLessThan(1e-5);
    expect(sums(answers.probabilities)).toEqual([expect.closeTo(1, 5), expect.closeTo(1, 5)]);
  });

  test('takes any number of images when it was exported for several', async () => {
    const model = { ...smallClassifier({ reshape: [4, 4] }), inputs: [value('image', [4, 3, 8, 8])] };
    const nodes = [...model.nodes, ...exponentials];
    const tensors = [...(model.tensors ?? []), integers('axis', [1])];
    const { answers, conversion, architecture } = await wrapped({ ...model, nodes, tensors, outputs: ['scores'] });
    expect(architecture.output_kind).toBe('probabilities');
    expect(conversion.maxBatch).toBeUndefined();
    const expected = await theirs(smallClassifier({ softmax: true }), 'scores', channelsFirst(photos));
    expect(maxDifference(answers.probabilities, expected)).toBeLessThan(1e-6);
  });

  test('takes one image at a time when its batch size cannot be made dynamic', async () => {
    // The features have no batch dimension.
    const model = smallClassifier({ reshape: [4] });
    const split = model.nodes.flatMap((each) =>
      each.outputs?.[0] === 'flat'
        ? [{ ...each, name: 'lone', outputs: ['lone'] }, node('Reshape', ['lone', 'again'], 'flat')]
        : [each],
    );
    const tensors = [...(model.tensors ?? []), integers('again', [1, 4])];
    const { conversion, answers } = await wrapped({ ...model, nodes: split, tensors }, {}, one(photos));
    expect(conversion.maxBatch).toBe(1);
    expect(
      maxDifference(answers.logits, await theirs(smallClassifier(), 'logits', channelsFirst(one(photos)))),
    ).toBeLessThan(1e-5);
  });
});

describe('the scores of classes', () => {
  test('are the logits before a softmax', async () => {
    const model = smallClassifier({ softmax: true });
    const { answers, conversion } = await wrapped(model);
    expect(maxDifference(answers.probabilities, await theirs(model, 'scores', channelsFirst(photos)))).toBeLessThan(
      1e-6,
    );
    expect(
      maxDifference(answers.logits, await theirs(smallClassifier(), 'logits', channelsFirst(photos))),
    ).toBeLessThan(1e-5);
    expect(conversion.numClasses).toBe(3);
  });

  test('are the logits before a LogSoftmax', async () => {
    const { nodes, ...rest } = smallClassifier();
    const model = { ...rest, nodes: [...nodes, node('LogSoftmax', ['logits'], 'log', { axis: 1 })], outputs: ['log'] };
    const { answers } = await wrapped(model);
    expect(
      maxDifference(answers.logits, await theirs(smallClassifier(), 'logits', channelsFirst(photos))),
    ).toBeLessThan(1e-5);
  });

  test('are probabilities when there is no softmax; the logits are their logarithms', async () => {
    const { nodes, ...rest } = smallClassifier();
    const tensors = [...(rest.tensors ?? []), integers('axis', [1])];
    const { answers, architecture } = await wrapped({
      nodes: [...nodes, ...exponentials],
      tensors,
      outputs: ['scores'],
    });
    expect(architecture).toMatchObject({ output: 'scores', output_kind: 'probabilities' });
    const expected = await theirs(smallClassifier({ softmax: true }), 'scores', channelsFirst(photos));
    expect(maxDifference(answers.probabilities, expected)).toBeLessThan(1e-6);
    expect(maxDifference({ ...expected, data: answers.logits.data.map(Math.exp) }, expected)).toBeLessThan(1e-5);
  });
});

describe('the input gets images', () => {
  test('with channels last', async () => {
    const { nodes, ...rest } = smallClassifier({ reshape: [0, -1] });
    const moved = nodes.map((each) =>
      each.outputs?.[0] === 'conv' ? { ...each, inputs: ['moved', 'conv.weight', 'conv.bias'] } : each,
    );
    const inputs = [value('image', [0, 8, 8, 3])];
    const model = { ...rest, inputs, nodes: [node('Transpose', ['image'], 'moved', { perm: [0, 3, 1, 2] }), ...moved] };
    const { answers, architecture } = await wrapped(model);
    expect(architecture.layout).toBe('nhwc');
    expect(
      maxDifference(answers.logits, await theirs(smallClassifier(), 'logits', channelsFirst(photos))),
    ).toBeLessThan(1e-5);
  });

  test('in the channel order blue, green, red', async () => {
    const { answers } = await wrapped(smallClassifier(), { channel_order: 'bgr' });
    const turned = Uint8Array.from(photos.data, (_, index) => photos.data[index + 2 - 2 * (index % 3)] ?? 0);
    const swap = ({ mean, std }: typeof scaling) => ({ mean: [...mean].reverse(), std: [...std].reverse() });
    const feed = channelsFirst({ ...photos, data: turned }, swap(scaling));
    expect(maxDifference(answers.logits, await theirs(smallClassifier(), 'logits', feed))).toBeLessThan(1e-5);
  });

  test('as bytes without scaling', async () => {
    const { nodes, ...rest } = smallClassifier();
    const cast = nodes.map((each) =>
      each.outputs?.[0] === 'conv' ? { ...each, inputs: ['floats', 'conv.weight', 'conv.bias'] } : each,
    );
    const model = {
      ...rest,
      inputs: [value('image', [1, 3, 8, 8], 2)],
      nodes: [node('Cast', ['image'], 'floats', { to: 1 }), ...cast],
    };
    const { answers } = await wrapped(model, {}, photos, plain);
    const expected = await theirs(smallClassifier(), 'logits', channelsFirst(photos, plain));
    expect(maxDifference(answers.logits, expected)).toBeLessThan(1e-2);
    await expect(wrapped(model)).rejects.toThrow('input "image" takes bytes and scales them itself');
  });

  test('as brightness', async () => {
    const { tensors = [], ...rest } = smallClassifier();
    const kernels = tensors.map((each) => (each.name === 'conv.weight' ? weights('conv.weight', [4, 1, 3, 3]) : each));
    const model = { ...rest, tensors: kernels, inputs: [value('image', [1, 1, 8, 8])] };
    const { answers, architecture } = await wrapped(model);
    expect(architecture.layout).toBe('nchw');
    const feed = Array.from({ length: 2 }, (_, image) =>
      Float32Array.from({ length: 64 }, (_, place) => {
        const [red = 0, green = 0, blue = 0] = photos.data.slice(192 * image + 3 * place);
        return ((0.299 * red + 0.587 * green + 0.114 * blue) / 255 - 0.5) / 0.2;
      }),
    );
    expect(maxDifference(answers.logits, await theirs(model, 'logits', feed))).toBeLessThan(1e-5);
  });

  test('at the given size when the model has a dynamic size', async () => {
    const { answers } = await wrapped({ ...smallClassifier(), inputs: [value('image', [0, 3, 0, 0])] });
    expect(
      maxDifference(answers.logits, await theirs(smallClassifier(), 'logits', channelsFirst(photos))),
    ).toBeLessThan(1e-5);
  });
});

describe('features and activations', () => {
  test('are the channel means before a 1x1 convolution that ends a network', async () => {
    const { nodes, tensors = [] } = smallClassifier();
    const ending = [
      node('Conv', ['relu', 'last.weight'], 'last', { kernel_shape: [1, 1] }),
      node('Relu', ['last'], 'last.relu'),
      node('GlobalAveragePool', ['last.relu'], 'mean'),
      node('Softmax', ['mean'], 'scores', { axis: 1 }),
    ];
    const model = {
      nodes: [...nodes.slice(0, 2), ...ending],
      tensors: [...tensors, weights('last.weight', [3, 4, 1, 1])],
      outputs: ['scores'],
    };
    const { answers, architecture } = await wrapped(model);
    expect(architecture).toMatchObject({ output: 'mean', features: 'relu', activations: 'relu' });
    expect(answers.logits.shape).toEqual([2, 3]);
    expect(maxDifference(answers.features, meanOf(answers.activations))).toBeLessThan(1e-5);
  });

  test('are the values that the manifest names', async () => {
    const { answers } = await wrapped(smallClassifier(), { features: 'logits', activations: 'conv' });
    expect(answers.features.shape).toEqual([2, 3]);
    expect(Math.min(...answers.activations.data)).toBeLessThan(0);
  });
});

describe('a class is traced back to the image', () => {
  const { nodes, tensors = [] } = smallClassifier();
  const matrix = [
    ...nodes.slice(0, 4),
    node('MatMul', ['flat', 'matrix'], 'product'),
    node('Add', ['product', 'fc.bias'], 'logits'),
  ];
  const heads: [string, ForeignModel][] = [
    ['a Gemm', smallClassifier()],
    ['a MatMul', { nodes: matrix, tensors: [...tensors, weights('matrix', [4, 3])], outputs: ['logits'] }],
  ];
  test.each(heads)('when the mean of a map is the input of %s', async (_, model) => {
    const { conversion, answers } = await wrapped(model);
    if (!('path' in conversion.explanation)) throw new Error(conversion.explanation.refused);
    const session = await ort.InferenceSession.create(conversion.explanation.path);
    const { activations, logits } = answers;
    const sumsOf = async (index: number) => {
      const results = await session.run({
        activations: new ort.Tensor('float32', Float32Array.from(activations.data), activations.shape),
        class: new ort.Tensor('int64', BigInt64Array.of(BigInt(index), BigInt(index))),
      });
      return sums({ data: results['explanation']?.data as Float32Array, shape: [2, 64] });
    };
    const bias = new Float32Array(Uint8Array.from(weights('fc.bias', [3]).rawData ?? []).buffer);
    for (const index of [0, 1, 2]) {
      const expected = [0, 1].map((image) => (logits.data[3 * image + index] ?? 0) - (bias[index] ?? 0));
      expect(await sumsOf(index)).toEqual(expected.map((each) => expect.closeTo(each, 4)));
    }
    await session.release();
  });

  test('but not when there is another layer between', async () => {
    const between = nodes.map((each) =>
      each.operator === 'Gemm' ? { ...each, inputs: ['cut', 'fc.weight', 'fc.bias'] } : each,
    );
    const model = {
      nodes: [...between.slice(0, 4), node('Tanh', ['flat'], 'cut'), ...between.slice(4)],
      tensors,
      outputs: ['logits'],
    };
    const { conversion } = await wrapped(model);
    expect(conversion.explanation).toMatchObject({ refused: expect.stringContaining('no class can be traced back') });
  });
});

test('values with the names of our outputs are renamed', async () => {
  const rename = (name: string) =>
    ({ conv: 'pixels', relu: 'probabilities', pool: 'logits', flat: 'activations', logits: 'features' })[name] ?? name;
  const { nodes, ...rest } = smallClassifier();
  const renamed = nodes.map((each) => ({
    ...each,
    inputs: each.inputs?.map(rename) ?? [],
    outputs: each.outputs?.map(rename) ?? [],
  }));
  const { answers } = await wrapped({ ...rest, nodes: renamed, outputs: ['features'] });
  expect(maxDifference(answers.logits, await theirs(smallClassifier(), 'logits', channelsFirst(photos)))).toBeLessThan(
    1e-5,
  );
});

test('a model with a complete description is wrapped without a trial run', async () => {
  const { architecture } = await wrapped(smallClassifier());
  expect(isComplete(architecture)).toBe(true);
  const again = await convertModel({ ...(await sourceOf(smallClassifier())), architecture }, join(folder, 'again'));
  expect(await readFile(again.onnx.path)).toEqual(await readFile(join(folder, 'model', 'model.onnx')));
  expect((await readdir(join(folder, 'again'))).sort()).toEqual(['conversion.json', 'explanation.onnx', 'model.onnx']);
});

describe('a model that is not an image classifier is refused', () => {
  const refusals: [string, ForeignModel, string][] = [
    ['another number of channels', { ...smallClassifier(), inputs: [value('image', [1, 4, 8, 8])] }, 'has 4 channels'],
    [
      'another size',
      { ...smallClassifier(), inputs: [value('image', [1, 3, 9, 8])] },
      'input "image" takes images of 9 x 8, but input_size is 8 x 8',
    ],
    [
      'two inputs',
      { ...smallClassifier(), inputs: [value('image', [1, 3, 8, 8]), value('size', [2])] },
      '"image", "size"',
    ],
    ['an old opset', { ...smallClassifier(), opset: 6 }, 'opset 6; opsets 7 to'],
    ['an unknown operator', { nodes: [node('Frobnicate', ['image'], 'logits')], outputs: ['logits'] }, 'Frobnicate'],
    [
      'a map as its output',
      { nodes: [node('Relu', ['image'], 'map')], outputs: ['map'] },
      'no output is a vector of classes: the model has "map" [1,3,8,8]',
    ],
    [
      'labels that do not exclude each other',
      {
        ...smallClassifier(),
        nodes: [...smallClassifier().nodes, node('Sigmoid', ['logits'], 'tags')],
        outputs: ['tags'],
      },
      'ends in Sigmoid',
    ],
    [
      'two answers',
      { ...smallClassifier(), outputs: ['logits', 'flat'] },
      'more than one output is a vector of classes ("logits" [1,3], "flat" [1,4])',
    ],
  ];
  test.each(refusals)('%s', async (_, model, message) => {
    await expect(wrapped(model)).rejects.toThrow(message);
  });

  test('a wrong number of classes', async () => {
    const source = { ...(await sourceOf(smallClassifier())), numClasses: 4 };
    await expect(convertModel(source, join(folder, 'model'))).rejects.toThrow('no output is a vector of 4 classes');
  });

  test('a file that is not a model', async () => {
    const weightsPath = join(folder, 'theirs.onnx');
    await writeFile(weightsPath, 'a note');
    const source = { ...(await sourceOf(smallClassifier())), weightsPath };
    await writeFile(weightsPath, 'a note');
    await expect(convertModel(source, join(folder, 'model'))).rejects.toThrow('ONNX');
  });
});

async function wrapped(
  model: ForeignModel,
  hints: Record<string, unknown> = {},
  pixels: PixelTensor = photos,
  used: { mean: readonly number[]; std: readonly number[] } = scaling,
) {
  const source = { ...(await sourceOf(model)), ...used, architecture: { family: 'onnx', ...hints } };
  const conversion = await convertModel(source, join(folder, 'model'));
  const parsed = parseOnnxArchitecture(source.architecture);
  if (parsed === undefined) throw new Error('of the family onnx');
  const trial = join(await mkdtemp(join(folder, 'trial-')), 'model.onnx');
  const { architecture } = await writeWrappedOnnx(
    { ...source, hints: parsed },
    trial,
    `${trial}.explanation`,
    () => {},
  );
  const answers: Answers = await runOnnx(conversion.onnx.path, pixels);
  return { conversion, architecture, answers };
}

async function sourceOf(model: ForeignModel): Promise<ConversionSource> {
  const weightsPath = await writeForeign(join(folder, 'theirs.onnx'), model);
  return { weightsPath, architecture: { family: 'onnx' }, inputSize: [8, 8], ...scaling };
}

/** Outputs of the original model, for each image separately. */
async function theirs(model: ForeignModel, output: string, images: readonly Float32Array[]): Promise<Tensor> {
  const path = await writeForeign(join(folder, `reference-${output}.onnx`), model);
  const session = await ort.InferenceSession.create(path);
  const rows: number[][] = [];
  for (const image of images) {
    const results = await session.run({ image: new ort.Tensor('float32', image, [1, image.length / 64, 8, 8]) });
    rows.push(Array.from(results[output]?.data as Float32Array));
  }
  await session.release();
  return { data: Float32Array.from(rows.flat()), shape: [rows.length, rows[0]?.length ?? 0] };
}

/** Each image as the input of the small classifier: `(x / 255 - mean) / std`, channels first. */
function channelsFirst({ data, shape: [count = 0] }: PixelTensor, { mean, std } = scaling): Float32Array[] {
  return Array.from({ length: count }, (_, image) =>
    Float32Array.from({ length: 3 * 64 }, (_, index) => {
      const [channel, place] = [Math.floor(index / 64), index % 64];
      return ((data[image * 192 + 3 * place + channel] ?? 0) / 255 - (mean[channel] ?? 0)) / (std[channel] ?? 1);
    }),
  );
}

function one({ data }: PixelTensor): PixelTensor {
  return { data: data.slice(0, 192), shape: [1, 8, 8, 3] };
}

/** The mean of each channel of maps `[n, height, width, channels]`. */
function meanOf({ data, shape: [count = 0, height = 0, width = 0, channels = 0] }: Tensor): Tensor {
  const means = new Float32Array(count * channels);
  data.forEach((each, index) => {
    const image = Math.floor(index / (height * width * channels));
    const place = image * channels + (index % channels);
    means[place] = (means[place] ?? 0) + each / (height * width);
  });
  return { data: means, shape: [count, channels] };
}

function sums({ data, shape: [, width = 1] }: Tensor): number[] {
  return Array.from({ length: data.length / width }, (_, row) =>
    data.slice(row * width, (row + 1) * width).reduce((sum, each) => sum + each, 0),
  );
}
