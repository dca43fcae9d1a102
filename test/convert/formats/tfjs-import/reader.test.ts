import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { stream } from '../../../../scripts/generated-tensors.ts';
import type { Tensor } from '../../../../src/common/tensor.ts';
import { writeOnnx } from '../../../../src/convert/formats/onnx/emitter.ts';
import { SafetensorsFile } from '../../../../src/convert/formats/safetensors/reader.ts';
import { writeTfjs } from '../../../../src/convert/formats/tfjs/emitter.ts';
import { openTfjsFiles, type TfjsFiles } from '../../../../src/convert/formats/tfjs-import/files.ts';
import { writeNetworkTensors } from '../../../../src/convert/formats/tfjs-import/graph-table.ts';
import { importTfjs } from '../../../../src/convert/formats/tfjs-import/reader.ts';
import { foldBatchNorm } from '../../../../src/convert/graph/fold-batch-norm.ts';
import type { Graph } from '../../../../src/convert/graph/graph.ts';
import { conv2d } from '../../../../src/convert/graph/ir.ts';
import { buildNetwork, parseArchitecture } from '../../../../src/convert/network.ts';
import { CLASSIFIER_OUTPUTS } from '../../../../src/runtime/session.ts';
import { EMBEDDED } from '../../../golden/pictures.ts';
import { constantWeight } from '../../constant-weight.ts';
import { maxDifference, runOnnx, runTfjs } from '../../runtimes.ts';
import { smallGraph } from '../../small-graph.ts';
import { filesOf, fillWeights, predict, save, useWasm } from './saved-model.ts';

let folder: string;
const opened: SafetensorsFile[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-tfjs-import-'));
});
afterEach(async () => {
  for (const file of opened.splice(0)) await file.close();
  await rm(folder, { recursive: true });
});
beforeAll(useWasm);

const SIZE = [9, 12] as const;
const picture: Tensor = { data: stream('picture', 2 * 9 * 12 * 3, -1, 1), shape: [2, ...SIZE, 3] };

const { layers } = tf;
const input = () => tf.input({ shape: [...SIZE, 3] });
type Symbolic = tf.SymbolicTensor;
const classes = (x: Symbolic) => layers.dense({ units: 4, activation: 'softmax' }).apply(x) as Symbolic;
const pooled = (x: Symbolic) => classes(layers.globalAveragePooling2d({}).apply(x) as Symbolic);

/** A functional model with the layers under test. */
function functional(body: (x: Symbolic) => Symbolic): tf.LayersModel {
  const x = input();
  return tf.model({ inputs: x, outputs: body(x) });
}
const conv = (options: Partial<Parameters<typeof layers.conv2d>[0]> = {}) =>
  layers.conv2d({ filters: 5, kernelSize: 3, ...options });
/** The layers in sequence, then a global pool and a dense layer. */
const chain = (...parts: tf.layers.Layer[]) =>
  functional((x) => pooled(parts.reduce((y, layer) => layer.apply(y) as Symbolic, x)));

describe('a model that TF.js saved gives the same outputs after its import', () => {
  test.each<[string, () => tf.LayersModel]>([
    ['a convolution', () => chain(conv())],
    ['padding "same" with a stride', () => chain(conv({ strides: 2, padding: 'same' }))],
    ['a kernel that is not square', () => chain(conv({ kernelSize: [2, 3], strides: [1, 2], useBias: false }))],
    ['an activation in the layer', () => chain(conv({ activation: 'elu' }))],
    ['a batch norm', () => chain(conv(), layers.batchNormalization({ epsilon: 0.01 }), layers.reLU({ maxValue: 6 }))],
    ['a batch norm without scale', () => chain(conv(), layers.batchNormalization({ scale: false, center: false }))],
    ['depthwise', () => chain(layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: 'same' }))],
    ['dilated', () => chain(conv({ strides: 1, dilationRate: 2, padding: 'same' }), conv({ dilationRate: [1, 3] }))],
    ['separable', () => chain(layers.separableConv2d({ filters: 6, kernelSize: 3, strides: 2, activation: 'relu' }))],
    ['relu up to 2', () => chain(conv(), layers.reLU({ maxValue: 2 }))],
    [
      'a slope for each channel',
      () => chain(conv(), layers.prelu({ sharedAxes: [1, 2], alphaInitializer: 'randomUniform' })),
    ],
    ...(['gelu', 'gelu_new', 'mish', 'softsign'] as const).map((activation): [string, () => tf.LayersModel] => [
      activation,
      () => chain(conv(), layers.activation({ activation })),
    ]),
    ['leaky relu', () => chain(conv(), layers.leakyReLU({ alpha: 0.2 }))],
    [
      'swish and hard sigmoid',
      () => chain(conv({ activation: 'swish' }), layers.activation({ activation: 'hardSigmoid' })),
    ],
    [
      'zero padding',
      () =>
        chain(
          layers.zeroPadding2d({
            padding: [
              [0, 1],
              [2, 1],
            ],
          }),
          conv({ strides: 2 }),
        ),
    ],
    [
      'zero padding before a pool',
      () => chain(conv(), layers.zeroPadding2d({ padding: 1 }), layers.maxPooling2d({ poolSize: 3 })),
    ],
    ['a max pool with padding', () => chain(conv(), layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }))],
    [
      'an average pool with padding',
      () => chain(layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' })),
    ],
    ['dropout', () => chain(conv(), layers.dropout({ rate: 0.5 }), layers.gaussianNoise({ stddev: 1 }))],
    [
      'flattening before dense layers',
      () =>
        functional((x) => {
          const flat = layers.flatten().apply(conv({ strides: 3 }).apply(x)) as Symbolic;
          const normed = layers.batchNormalization().apply(flat) as Symbolic;
          return classes(layers.dense({ units: 7, activation: 'relu' }).apply(normed) as Symbolic);
        }),
    ],
    [
      'a global max pool',
      () => functional((x) => classes(layers.globalMaxPooling2d({}).apply(conv().apply(x)) as Symbolic)),
    ],
    [
      'a sum of two paths',
      () =>
        functional((x) => {
          const [a, b] = [conv().apply(x), conv({ padding: 'valid' }).apply(x)] as Symbolic[];
          return pooled(layers.add().apply([a, b, a] as Symbolic[]) as Symbolic);
        }),
    ],
    [
      'a mean of two paths',
      () =>
        functional((x) => pooled(layers.average().apply([conv().apply(x), conv().apply(x)] as Symbolic[]) as Symbolic)),
    ],
    [
      'a concatenation of two paths',
      () =>
        functional((x) => {
          const [a, b] = [conv().apply(x), conv({ filters: 2 }).apply(x)] as Symbolic[];
          return pooled(layers.concatenate().apply([a, b] as Symbolic[]) as Symbolic);
        }),
    ],
    [
      'a concatenation of means and maxima',
      () =>
        functional((x) => {
          const means = layers.globalAveragePooling2d({}).apply(x) as Symbolic;
          const maxima = layers.globalMaxPooling2d({}).apply(x) as Symbolic;
          return classes(layers.concatenate().apply([means, maxima]) as Symbolic);
        }),
    ],
    [
      "MobileNet's classes, a convolution of one pixel",
      () =>
        functional((x) => {
          const means = layers.globalAveragePooling2d({}).apply(conv().apply(x)) as Symbolic;
          const pixel = layers.reshape({ targetShape: [1, 1, 5] }).apply(means) as Symbolic;
          const made = layers.conv2d({ filters: 4, kernelSize: 1, padding: 'same' }).apply(pixel) as Symbolic;
          const flat = layers.reshape({ targetShape: [4] }).apply(made) as Symbolic;
          return layers.activation({ activation: 'softmax' }).apply(flat) as Symbolic;
        }),
    ],
    [
      "SqueezeNet's classes, the means of their maps",
      () =>
        functional((x) => {
          const maps = conv({ filters: 4, kernelSize: 1, activation: 'relu' }).apply(x) as Symbolic;
          return layers.softmax().apply(layers.globalAveragePooling2d({}).apply(maps)) as Symbolic;
        }),
    ],
    [
      'classes by a convolution over the whole map',
      () =>
        functional((x) => {
          const map = conv({ filters: 4, kernelSize: [9, 12] }).apply(x) as Symbolic;
          return layers.softmax().apply(layers.flatten().apply(map)) as Symbolic;
        }),
    ],
    [
      'a softmax over a map of one cell',
      () =>
        functional((x) => {
          const map = layers.averagePooling2d({ poolSize: [7, 10] }).apply(conv().apply(x)) as Symbolic;
          const made = layers.conv2d({ filters: 4, kernelSize: 1 }).apply(map);
          return layers.flatten().apply(layers.activation({ activation: 'softmax' }).apply(made)) as Symbolic;
        }),
    ],
    [
      'a model inside a model',
      () =>
        functional((x) => {
          const inner = tf.input({ shape: [...SIZE, 3] });
          const base = tf.model({ inputs: inner, outputs: conv({ name: 'inner_conv' }).apply(inner) as Symbolic });
          return pooled(base.apply(x) as Symbolic);
        }),
    ],
    [
      'a layer that is called twice',
      () =>
        functional((x) => {
          const shared = conv({ padding: 'same', filters: 3, name: 'shared' });
          return pooled(shared.apply(shared.apply(x)) as Symbolic);
        }),
    ],
    [
      'a Sequential model',
      () =>
        tf.sequential({
          layers: [
            conv({ inputShape: [...SIZE, 3], activation: 'relu' }),
            layers.flatten(),
            layers.dense({ units: 4, activation: 'softmax' }),
          ],
        }),
    ],
    [
      'a Sequential model inside another',
      () =>
        tf.sequential({
          layers: [
            tf.sequential({ layers: [conv({ inputShape: [...SIZE, 3] })] }) as unknown as tf.layers.Layer,
            layers.globalAveragePooling2d({}),
            layers.dense({ units: 4, activation: 'softmax' }),
          ],
        }),
    ],
  ])('%s', async (_, make) => {
    const model = make();
    fillWeights(model);
    const [expected] = predict(model, picture);
    const graph = await imported(filesOf(await save(model)));
    const { probabilities } = await runBoth(graph);
    expect(maxDifference(probabilities, expected ?? picture)).toBeLessThan(2e-5);
  });

  test('one sigmoid becomes two classes, of which it is the second', async () => {
    const model = functional(
      (x) => layers.dense({ units: 1, activation: 'sigmoid' }).apply(layers.flatten().apply(x)) as Symbolic,
    );
    fillWeights(model);
    const [yes] = predict(model, picture);
    const { probabilities } = await runBoth(await imported(filesOf(await save(model))));
    expect(probabilities.shape).toEqual([2, 2]);
    expect(probabilities.data[1]).toBeCloseTo(yes?.data[0] ?? 0, 5);
    expect(probabilities.data[3]).toBeCloseTo(yes?.data[1] ?? 0, 5);
  });
});

test.each(['Identity', 'DropPath', 'RandomFlip', 'RandAugment'])('a %s passes its input on', async (className) => {
  const model = chain(conv(), layers.dropout({ rate: 0.5, name: 'changed' }));
  fillWeights(model);
  const [expected] = predict(model, picture);
  const files = filesOf(await save(model));
  const changed = JSON.parse(JSON.stringify(files.model));
  const layer = changed.modelTopology.config.layers.find((each: Json) => each.name === 'changed');
  Object.assign(layer, { class_name: className });
  const { probabilities } = await runBoth(await imported({ ...files, model: changed }));
  expect(maxDifference(probabilities, expected ?? picture)).toBeLessThan(2e-5);
});

describe("TensorFlow's functions, which Keras 2 saved as layers", () => {
  const functions = (name: string, kwargs: object, from = 'input') => ({
    class_name: 'TFOpLambda',
    name: `tf.${name}.${from}`,
    config: { name: `tf.${name}.${from}`, function: name },
    inbound_nodes: [[from, 0, 0, { ...kwargs, name: null }]],
  });

  test('a division and a subtraction before the first layer scale the pixels', async () => {
    const scaling = layers.rescaling({ scale: 1 / 2, offset: -1, name: 'scaling' });
    const model = functional((x) => pooled(conv({ name: 'first' }).apply(scaling.apply(x)) as Symbolic));
    fillWeights(model);
    const [expected] = predict(model, picture);
    const files = filesOf(await save(model));
    const changed = JSON.parse(JSON.stringify(files.model));
    const { config } = changed.modelTopology;
    const [entering] = config.input_layers[0];
    const division = functions('math.truediv', { y: 2 }, entering);
    const subtraction = functions('math.subtract', { y: 1 }, division.name);
    const at = config.layers.findIndex((layer: Json) => layer.name === 'scaling');
    config.layers.splice(at, 1, division, subtraction);
    const first = config.layers.find((layer: Json) => layer.name === 'first');
    first.inbound_nodes = [[[subtraction.name, 0, 0, {}]]];
    const { probabilities } = await runBoth(await imported({ ...files, model: changed }));
    expect(maxDifference(probabilities, expected ?? picture)).toBeLessThan(2e-5);
  });
});

describe('an exported model can be imported again', () => {
  test.each(EMBEDDED)('%s', async (id) => {
    const { architecture, mean, std, input_size } = JSON.parse(await readFile(`zoo/${id}/manifest.json`, 'utf8'));
    const [, height, width] = input_size;
    const weights = await opening(`zoo/${id}/weights.safetensors`);
    const graph = buildNetwork(parseArchitecture(architecture), weights, { inputSize: [height, width], mean, std });
    await writeTfjs(foldBatchNorm(graph), join(folder, 'written'));
    const again = await imported(await openTfjsFiles(join(folder, 'written/model.json')));
    const pixels: Tensor = { data: stream('pixels', 3 * height * width, 0, 255), shape: [1, height, width, 3] };
    await writeOnnx(foldBatchNorm(graph), join(folder, 'first.onnx'), { pixelType: 'float32' });
    await writeOnnx(foldBatchNorm(again), join(folder, 'second.onnx'), { pixelType: 'float32' });
    const [first, second] = [
      await runOnnx(join(folder, 'first.onnx'), pixels),
      await runOnnx(join(folder, 'second.onnx'), pixels),
    ];
    for (const name of CLASSIFIER_OUTPUTS) expect(maxDifference(first[name], second[name])).toBeLessThan(1e-4);
  });

  test.each(['float16', 'uint8'] as const)('with its kernels stored as %s', async (storage) => {
    const graph = smallGraph(SIZE, (x) => conv2d('conv', x, { weight: constantWeight('conv.weight', [4, 3, 3, 3]) }));
    await writeTfjs(graph, join(folder, 'written'), { storage });
    const stored = await runTfjs(join(folder, 'written/model.json'), picture);
    const again = await runBoth(await imported(await openTfjsFiles(join(folder, 'written/model.json'))));
    expect(maxDifference(again.logits, stored.logits)).toBeLessThan(2e-5);
  });
});

describe('unsupported models are refused', () => {
  const refused = async (change: (model: Json) => void, body = pooled) => {
    const files = filesOf(await save(functional((x) => body(conv({ name: 'first' }).apply(x) as Symbolic))));
    const model = JSON.parse(JSON.stringify(files.model));
    change(model);
    return importTfjs({ ...files, model });
  };
  const layer = (model: Json, name: string) =>
    model.modelTopology.config.layers.find((candidate: Json) => candidate.name === name);

  test.each<[string, (model: Json) => void, string]>([
    [
      'a class',
      (model) => Object.assign(layer(model, 'first'), { class_name: 'Conv2DTranspose' }),
      '"first" (Conv2DTranspose): layers of this class are not supported',
    ],
    ['a lambda', (model) => Object.assign(layer(model, 'first'), { class_name: 'Lambda' }), '"first" (Lambda)'],
    [
      'with the way out',
      (model) => Object.assign(layer(model, 'first'), { class_name: 'Lambda' }),
      'model.export("model.onnx", format="onnx")',
    ],
    [
      'channels first',
      (model) => Object.assign(layer(model, 'first').config, { data_format: 'channels_first' }),
      'channels_last',
    ],
    [
      'a function',
      (model) => Object.assign(layer(model, 'first').config, { activation: 'squareplus' }),
      'the activation "squareplus"',
    ],
    ['an axis', (model) => Object.assign(layer(model, 'first'), { class_name: 'Concatenate' }), 'at least two inputs'],
    [
      'an unknown input',
      (model) => Object.assign(layer(model, 'first'), { inbound_nodes: [[['none', 0, 0, {}]]] }),
      'has an input that no layer gives',
    ],
    [
      'inbound_nodes in another form',
      (model) => Object.assign(layer(model, 'first'), { inbound_nodes: [{ call: [] }] }),
      'as in Keras 2',
    ],
    [
      'a function of TensorFlow',
      (model) => Object.assign(layer(model, 'first'), { class_name: 'TFOpLambda', config: { function: 'math.erf' } }),
      'the function "math.erf" is not supported',
    ],
    ['a graph model', (model) => Object.assign(model, { format: 'graph-model' }), 'graph model'],
    [
      'an unsupported kind of model',
      (model) => Object.assign(model.modelTopology, { class_name: 'Bidirectional' }),
      'is a Bidirectional',
    ],
    [
      'no topology',
      (model) => Object.assign(model, { modelTopology: undefined }),
      'the description of the layers is not valid',
    ],
    ['a missing weight', (model) => model.weightsManifest[0].weights.shift(), 'weight "first/kernel" is missing'],
    [
      'a weight of another shape',
      (model) => Object.assign(model.weightsManifest[0].weights[0], { shape: [135] }),
      'not 4 dimensions',
    ],
    [
      'weights beyond the shards',
      (model) => Object.assign(model.weightsManifest[0].weights[0], { shape: [9, 9, 9, 9] }),
      'of its shards',
    ],
    [
      'weights of text',
      (model) => Object.assign(model.weightsManifest[0].weights[0], { dtype: 'string' }),
      'has type string',
    ],
  ])('%s', async (_, change, reason) => {
    await expect(refused(change)).rejects.toThrow(reason);
  });

  test.each<[string, (x: Symbolic) => Symbolic, string]>([
    [
      'several sigmoids',
      (x) => layers.dense({ units: 4, activation: 'sigmoid' }).apply(layers.flatten().apply(x)) as Symbolic,
      '4 sigmoids',
    ],
    ['a map at the end', (x) => conv().apply(x) as Symbolic, 'is a map; a classifier has one value per class'],
    [
      'a reshape to another map',
      (x) => pooled(layers.reshape({ targetShape: [7, 5, 10] }).apply(x) as Symbolic),
      '(Reshape)',
    ],
    [
      'a dense layer over each cell',
      (x) => pooled(layers.dense({ units: 4 }).apply(x) as Symbolic),
      '(Dense): its input is a map',
    ],
  ])('%s', async (_, body, reason) => {
    await expect(refused(() => {}, body)).rejects.toThrow(reason);
  });

  test('a wrong or missing image size is refused', async () => {
    const files = filesOf(await save(functional(pooled)));
    await expect(importTfjs(files, [32, 32])).rejects.toThrow('takes images of 9x12, not of 32x32');
    const any = tf.input({ shape: [null, null, 3] });
    const open = filesOf(await save(tf.model({ inputs: any, outputs: pooled(any) })));
    await expect(importTfjs(open)).rejects.toThrow('--input-size');
    expect((await importTfjs(open, [32, 32])).table.input_size).toEqual([32, 32]);
  });
});

type Json = ReturnType<typeof JSON.parse>;

async function opening(path: string): Promise<SafetensorsFile> {
  const file = await SafetensorsFile.open(path);
  opened.push(file);
  return file;
}

/** The graph of an imported model, written to its two files and read again. */
async function imported(files: TfjsFiles): Promise<Graph> {
  const network = await importTfjs(files);
  const path = join(folder, 'weights.safetensors');
  await rm(path, { force: true });
  await writeNetworkTensors(network, path);
  const architecture = parseArchitecture(JSON.parse(JSON.stringify(network.table)));
  const inputSize = network.table.input_size;
  return buildNetwork(architecture, await opening(path), {
    inputSize,
    mean: [0, 0, 0],
    std: [1 / 255, 1 / 255, 1 / 255],
  });
}

/** Outputs of both formats, which must agree. */
async function runBoth(graph: Graph) {
  const onnxPath = join(folder, 'model.onnx');
  await writeOnnx(foldBatchNorm(graph), onnxPath, { pixelType: 'float32' });
  await writeTfjs(foldBatchNorm(graph), join(folder, 'tfjs'));
  const [onnx, tfjs] = [await runOnnx(onnxPath, picture), await runTfjs(join(folder, 'tfjs/model.json'), picture)];
  expect(maxDifference(onnx.probabilities, tfjs.probabilities)).toBeLessThan(2e-5);
  return onnx;
}
