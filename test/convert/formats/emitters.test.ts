import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import { decode } from '../../../src/common/protobuf.ts';
import type { Tensor } from '../../../src/common/tensor.ts';
import { writeOnnx } from '../../../src/convert/formats/onnx/emitter.ts';
import { modelProto } from '../../../src/convert/formats/onnx/proto.ts';
import { writeTfjs } from '../../../src/convert/formats/tfjs/emitter.ts';
import type { Graph } from '../../../src/convert/graph/graph.ts';
import {
  ACTIVATION_FUNCTIONS,
  activation,
  add,
  averagePool,
  batchNorm,
  concat,
  conv2d,
  crop,
  globalAveragePool,
  leakyRelu,
  type MapNode,
  maxPool,
  multiply,
  normalize,
  rescale,
  zeroPad,
} from '../../../src/convert/graph/ir.ts';
import { type Padding, samePadding } from '../../../src/convert/graph/windows.ts';
import { CLASSIFIER_OUTPUTS } from '../../../src/runtime/session.ts';
import { constantWeight } from '../constant-weight.ts';
import { type Answers, maxDifference, runOnnx, runTfjs } from '../runtimes.ts';
import { smallGraph } from '../small-graph.ts';

/** Every layer through both emitters and both runtimes, which must agree. */
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-emitters-'));
});
afterEach(() => rm(folder, { recursive: true }));

const SIZE = [9, 12] as const;
/** Includes negative values, so that a max pool whose padding counts as zeros would fail. */
const input: Tensor = { data: stream('pixels', 2 * 9 * 12 * 3, -2, 1), shape: [2, ...SIZE, 3] };

const conv = (name: string, x: MapNode, shape: readonly [number, number, number, number], options = {}) =>
  conv2d(name, x, { weight: constantWeight(`${name}.weight`, shape), ...options });
const asymmetric: Padding = { top: 0, bottom: 1, left: 2, right: 1 };

describe('ONNX and TF.js agree on', () => {
  test.each<[string, (x: MapNode) => MapNode]>([
    ['scaling', (x) => normalize('normalize', x, [0.1, 0.2, 0.3], [0.5, 1, 2])],
    ['a convolution', (x) => conv('conv', x, [4, 3, 3, 3], { bias: constantWeight('b', [4]) })],
    ['padding with a stride of 2', (x) => conv('conv', x, [4, 3, 3, 3], { stride: 2, padding: 1 })],
    [
      "TensorFlow's padding",
      (x) => conv('conv', x, [4, 3, 3, 3], { stride: 2, padding: samePadding(SIZE, [3, 3], [2, 2]) }),
    ],
    ['asymmetric padding', (x) => conv('conv', x, [4, 3, 5, 4], { stride: [1, 3], padding: asymmetric })],
    ['a depthwise convolution', (x) => conv('conv', x, [6, 1, 3, 3], { groups: 3, padding: 1 })],
    ['a grouped convolution', (x) => conv('b', conv('a', x, [6, 3, 1, 1]), [4, 3, 3, 3], { groups: 2 })],
    [
      'a batch norm',
      (x) =>
        batchNorm('bn', x, {
          scale: constantWeight('scale', [3]),
          shift: constantWeight('shift', [3]),
          mean: constantWeight('mean', [3]),
          variance: constantWeight('variance', [3], [0.5, 1, 2]),
          epsilon: 1e-2,
        }),
    ],
    ['relu after a convolution', (x) => activation('relu', conv('conv', x, [4, 3, 3, 3]), 'relu')],
    ['relu6', (x) => activation('relu', normalize('n', x, [0, 0, 0], [1e-3, 1e-3, 1e-3]), 'relu6')],
    ...ACTIVATION_FUNCTIONS.map((name): [string, (x: MapNode) => MapNode] => [
      `the activation ${name}`,
      (x) => activation('act', conv('conv', x, [4, 3, 3, 3]), name),
    ]),
    ['leaky relu', (x) => leakyRelu('leaky', conv('conv', x, [4, 3, 3, 3]), 0.3)],
    [
      'a padded max pool of negative values of a tanh',
      (x) => maxPool('pool', activation('tanh', x, 'tanh'), { kernel: 3, stride: 2, padding: 1 }),
    ],
    ['a max pool', (x) => maxPool('pool', x, { kernel: 2, stride: 2 })],
    ['a padded max pool of negative values', (x) => maxPool('pool', x, { kernel: 3, stride: 2, padding: 1 })],
    ['a padded max pool of stride 1', (x) => maxPool('pool', x, { kernel: 3, padding: 1 })],
    [
      'an asymmetric max pool after a relu',
      (x) => maxPool('pool', activation('relu', x, 'relu'), { kernel: 3, stride: 2, padding: asymmetric }),
    ],
    [
      'an average pool that counts padding',
      (x) => averagePool('pool', x, { kernel: 3, padding: 1, countPadding: true }),
    ],
    [
      'an average pool that does not count padding',
      (x) => averagePool('pool', x, { kernel: 3, padding: 1, countPadding: false }),
    ],
    ['an average pool without padding', (x) => averagePool('pool', x, { kernel: 3, stride: 3, countPadding: true })],
    ['zero padding', (x) => zeroPad('pad', x, asymmetric)],
    [
      'zero padding of negative values before a max pool',
      (x) => maxPool('pool', zeroPad('pad', x, asymmetric), { kernel: 3, stride: 2 }),
    ],
    ['a sum', (x) => add('add', conv('a', x, [2, 3, 1, 1]), conv('b', x, [2, 3, 1, 1]))],
    ['a crop', (x) => crop('crop', x, asymmetric)],
    ['a product of two maps', (x) => multiply('mul', conv('a', x, [2, 3, 1, 1]), conv('b', x, [2, 3, 1, 1]))],
    [
      'squeeze-and-excitation',
      (x) => {
        const gate = activation(
          'gate',
          rescale('scale', globalAveragePool('squeeze', x), [1, 2, 3], [3, 2, 1]),
          'sigmoid',
        );
        return multiply('excite', x, gate);
      },
    ],
    ['a concatenation', (x) => concat('cat', [x, conv('a', x, [2, 3, 1, 1]), x])],
    ['a layer whose name begins with an underscore', (x) => conv('_conv', x, [4, 3, 1, 1])],
  ])('%s', async (_, body) => {
    const { onnx, tfjs } = await runBoth(smallGraph(SIZE, body));
    for (const name of CLASSIFIER_OUTPUTS) expect(maxDifference(onnx[name], tfjs[name])).toBeLessThan(2e-5);
  });

  test('the order in which a map is flattened', async () => {
    const { onnx, tfjs } = await runBoth(smallGraph(SIZE, (x) => conv('conv', x, [4, 3, 3, 3]), 'flatten'));
    expect(onnx.features.shape).toEqual([2, 7 * 10 * 4]);
    for (const name of CLASSIFIER_OUTPUTS) expect(maxDifference(onnx[name], tfjs[name])).toBeLessThan(1e-5);
  });
});

test('probabilities are the softmax of the logits', async () => {
  const { onnx } = await runBoth(smallGraph(SIZE, (x) => conv('conv', x, [4, 3, 3, 3])));
  const [a = 0, b = 0, c = 0] = onnx.logits.data.map(Math.exp);
  expect(onnx.probabilities.data[0]).toBeCloseTo(a / (a + b + c), 6);
});

test('an average pool with padding that Keras does not have is refused', async () => {
  const graph = smallGraph(SIZE, (x) =>
    averagePool('odd_pool', x, { kernel: 3, padding: asymmetric, countPadding: false }),
  );
  await expect(writeTfjs(graph, join(folder, 'tfjs'))).rejects.toThrow('layer "odd_pool"');
});

describe('ONNX', () => {
  const graph = smallGraph(SIZE, (x) => conv('conv', normalize('normalize', x, [0, 0, 0], [1, 1, 1]), [4, 3, 3, 3]));

  test('takes bytes in batches of any size', async () => {
    const path = join(folder, 'model.onnx');
    await writeOnnx(graph, path);
    for (const batch of [1, 3]) {
      const pixels = { data: new Uint8Array(batch * 9 * 12 * 3), shape: [batch, 9, 12, 3] };
      const answers = await runOnnx(path, pixels);
      expect(answers.logits.shape).toEqual([batch, 3]);
      expect(answers.activations.shape).toEqual([batch, 7, 10, 4]);
    }
  });

  test('writes large weights to a separate file', async () => {
    const [inside] = await writeOnnx(graph, join(folder, 'inside.onnx'), { pixelType: 'float32' });
    const files = await writeOnnx(graph, join(folder, 'outside.onnx'), {
      pixelType: 'float32',
      externalAboveBytes: 100,
    });
    const [outside, data] = files;
    expect(data?.path).toBe(join(folder, 'outside.onnx.data'));
    expect(data?.size).toBe(4 * (4 * 3 * 3 * 3 + 3 * 4 + 3));
    const answers = [await runOnnx(inside?.path ?? '', input), await runOnnx(outside?.path ?? '', input)];
    expect(answers[0]).toEqual(answers[1]);
  });

  test('has the expected operators', async () => {
    const [file] = await writeOnnx(graph, join(folder, 'model.onnx'));
    const model = decode(modelProto, await readFile(file?.path ?? ''));
    expect(model.operatorSets).toEqual([{ version: 17 }]);
    expect(model.graph?.nodes?.map(({ operator }) => operator)).toEqual(
      'Transpose Cast Mul Add Conv GlobalAveragePool Flatten Gemm Softmax Transpose'.split(' '),
    );
    expect(model.graph?.outputs?.map(({ name }) => name)).toEqual([...CLASSIFIER_OUTPUTS]);
  });

  test('reports progress', async () => {
    const fractions: number[] = [];
    await writeOnnx(graph, join(folder, 'model.onnx'), { onProgress: (fraction) => fractions.push(fraction) });
    expect(fractions.at(-1)).toBe(1);
    expect(fractions.toSorted((a, b) => a - b)).toEqual(fractions);
  });
});

describe('TF.js', () => {
  const graph = smallGraph(SIZE, (x) => conv('conv', x, [4, 3, 3, 3]));

  test.each([
    ['float16', 1e-2, 2],
    ['uint8', 1e-1, 1],
  ] as const)('stores kernels as %s', async (storage, tolerance, bytesEach) => {
    const [, exact] = await writeTfjs(graph, join(folder, 'exact'));
    const [, small] = await writeTfjs(graph, join(folder, 'small'), { storage });
    const kernels = 4 * 3 * 3 * 3 + 3 * 4;
    expect((exact?.size ?? 0) - (small?.size ?? 0)).toBe(kernels * (4 - bytesEach));
    const [a, b] = [
      await runTfjs(join(folder, 'exact/model.json'), input),
      await runTfjs(join(folder, 'small/model.json'), input),
    ];
    expect(maxDifference(a.logits, b.logits)).toBeLessThan(tolerance);
    expect(maxDifference(a.logits, b.logits)).toBeGreaterThan(0);
  });

  test('does not store depthwise kernels in 8 bits', async () => {
    const depthwise = smallGraph(SIZE, (x) => conv('conv', x, [6, 1, 3, 3], { groups: 3 }));
    await writeTfjs(depthwise, join(folder, 'small'), { storage: 'uint8' });
    const { weightsManifest } = JSON.parse(await readFile(join(folder, 'small/model.json'), 'utf8'));
    const stored = weightsManifest[0].weights.map((weight: { name: string; quantization?: { dtype: string } }) => [
      weight.name.split('/')[1],
      weight.quantization?.dtype,
    ]);
    expect(stored).toEqual([
      ['depthwise_kernel', undefined],
      ['kernel', 'uint8'],
      ['bias', undefined],
    ]);
  });

  test('weights continue in the next shard after 4 MiB', async () => {
    const wide = smallGraph(SIZE, (x) => conv('conv', x, [200_000, 3, 1, 2]));
    const [, ...shards] = await writeTfjs(wide, join(folder, 'tfjs'));
    expect(shards.map(({ size }) => size)).toEqual([4 * 2 ** 20, 200_000 * 6 * 4 + 3 * 200_000 * 4 + 12 - 4 * 2 ** 20]);
    const names = shards.map(({ path }) => path.slice(folder.length + 1));
    expect(names).toEqual(['tfjs/group1-shard1of2.bin', 'tfjs/group1-shard2of2.bin']);
  });
});

async function runBoth(graph: Graph): Promise<{ onnx: Answers; tfjs: Answers }> {
  const onnxPath = join(folder, 'model.onnx');
  await writeOnnx(graph, onnxPath, { pixelType: 'float32' });
  await writeTfjs(graph, join(folder, 'tfjs'));
  return { onnx: await runOnnx(onnxPath, input), tfjs: await runTfjs(join(folder, 'tfjs/model.json'), input) };
}
