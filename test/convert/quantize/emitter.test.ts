import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import { writeOnnx } from '../../../src/convert/formats/onnx/emitter.ts';
import { readOnnxFile } from '../../../src/convert/formats/onnx/reader.ts';
import { foldBatchNorm } from '../../../src/convert/graph/fold-batch-norm.ts';
import type { Graph } from '../../../src/convert/graph/graph.ts';
import {
  activation,
  add,
  averagePool,
  batchNorm,
  concat,
  conv2d,
  globalAveragePool,
  type MapNode,
  maxPool,
  multiply,
  normalize,
  zeroPad,
} from '../../../src/convert/graph/ir.ts';
import { calibrate, observeLayers } from '../../../src/convert/quantize/calibration.ts';
import { writeQuantizedOnnx } from '../../../src/convert/quantize/emitter.ts';
import { planQuantization } from '../../../src/convert/quantize/plan.ts';
import { openOnnxValues } from '../../../src/runtime/onnx-evaluation.ts';
import { constantWeight } from '../constant-weight.ts';
import { smallGraph } from '../small-graph.ts';

const SIZE = 12;
const IMAGES = Array.from({ length: 8 }, (_, index) =>
  Uint8Array.from(stream(`image ${index}`, SIZE * SIZE * 3, 0, 256), Math.floor),
);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-int8-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const scaled = (x: MapNode) => normalize('normalize', x, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

interface ConvOptions {
  readonly out?: number;
  readonly size?: number;
  readonly groups?: number;
  readonly stride?: number;
  /** Factor of all weights of a channel. */
  readonly factor?: (channel: number) => number;
}

/** A convolution with a bias, whose weights are those of its name times a factor for each channel. */
function conv(name: string, x: MapNode, { out = 8, size = 3, groups = 1, stride = 1, factor }: ConvOptions = {}) {
  const shape = [out, x.shape.channels / groups, size, size];
  const values = stream(
    `${name}.weight`,
    shape.reduce((product, length) => product * length, 1),
    -1,
    1,
  );
  const perChannel = values.length / out;
  const weights = [...values].map((value, index) => value * (factor?.(Math.floor(index / perChannel)) ?? 1));
  return conv2d(name, x, {
    weight: constantWeight(`${name}.weight`, shape, weights),
    bias: constantWeight(`${name}.bias`, [out]),
    padding: Math.floor(size / 2),
    groups,
    stride,
  });
}

/** A layer of 8 channels before those under test: what reads the colours stays in floats. */
const first = (x: MapNode) => relu('first.relu', conv('first', scaled(x)));
const relu = (name: string, x: MapNode) => activation(name, x, 'relu');
const relu6 = (name: string, x: MapNode) => activation(name, x, 'relu6');

/** Logits of all images by one model. */
async function logitsOf(path: string, options: ort.InferenceSession.SessionOptions = {}): Promise<number[]> {
  const session = await ort.InferenceSession.create(path, { logSeverityLevel: 3, intraOpNumThreads: 1, ...options });
  const all: number[] = [];
  for (const image of IMAGES) {
    const { logits } = await session.run({ pixels: new ort.Tensor('uint8', image, [1, SIZE, SIZE, 3]) }, ['logits']);
    if (logits === undefined) throw new Error('the model gave no logits');
    all.push(...(logits.data as Float32Array));
  }
  await session.release();
  return all;
}

/** The largest difference of two lists, relative to the spread of the first. */
function distance(exact: readonly number[], other: readonly number[]): number {
  const spread = Math.max(...exact) - Math.min(...exact);
  return Math.max(...exact.map((value, index) => Math.abs(value - (other[index] ?? Number.NaN)))) / spread;
}

/** Quantizes a graph on the images. */
async function quantize(unfolded: Graph) {
  const graph = foldBatchNorm(unfolded);
  const [float, path] = [join(folder, 'float.onnx'), join(folder, 'int8.onnx')];
  await writeOnnx(graph, float);
  const images = (async function* () {
    yield* IMAGES;
  })();
  const statistics = await observeLayers(graph, images, join(folder, 'observed.onnx'), openOnnxValues);
  await writeQuantizedOnnx(graph, calibrate(graph, statistics, 'min_max'), path);
  const optimized = join(folder, 'optimized.onnx');
  const [exact, plain, fused] = [
    await logitsOf(float),
    await logitsOf(path, { graphOptimizationLevel: 'disabled' }),
    await logitsOf(path, { optimizedModelFilePath: optimized }),
  ];
  return { error: distance(exact, plain), kernels: distance(exact, fused), fused, graph, optimized };
}

/** Far below the error of a wrong scale, above that of rounding to 8 bits in a chain of random layers. */
const CLOSE = 0.05;

describe('a graph in 8-bit integers answers almost as in floats, computed as written and with fused operators', () => {
  test.each<[string, (x: MapNode) => MapNode]>([
    [
      'convolutions, relu and a max pool',
      (x) => maxPool('pool', relu('r', conv('c', first(x))), { kernel: 2, stride: 2 }),
    ],
    [
      // One scale for all channels would leave nothing of the small ones.
      'a depthwise convolution whose channels differ a thousand times',
      (x) =>
        conv(
          'mix',
          relu6('r', conv('dw', relu('r0', conv('c', first(x))), { groups: 8, factor: (c) => 10 ** (c % 4) / 1000 })),
          { size: 1 },
        ),
    ],
    ['relu6 that cuts most of its values', (x) => conv('d', relu6('r', conv('c', first(x), { factor: () => 3 })))],
    [
      'a residual add of a large and a small map',
      (x) => {
        const y = relu('r', conv('c', first(x)));
        return relu('sum', add('add', conv('d', y, { factor: () => 0.05 }), y));
      },
    ],
    [
      'a concatenation of maps with different scales',
      (x) => {
        const y = first(x);
        const small = relu('r1', conv('c1', y, { factor: () => 0.1 }));
        const large = relu('r2', conv('c2', y, { factor: () => 2 }));
        return conv('d', concat('both', [small, large]), { size: 1, factor: (c) => (c % 2 === 0 ? 1 : 0.1) });
      },
    ],
    [
      // The range of the concatenation ends below zero, or above six: in it, the others would not be cut.
      'a concatenation of maps that are cut and maps that are not',
      (x) => {
        const y = first(x);
        const cut = concat('cut', [relu('r1', conv('c1', y)), relu6('r2', conv('c2', y, { factor: () => 3 }))]);
        return conv('d', concat('both', [cut, conv('c3', y)]), { size: 1 });
      },
    ],
    [
      'average pools that count padding, and that do not',
      (x) => {
        const y = relu('r', conv('c', first(x)));
        const pooled = averagePool('counted', y, { kernel: 3, stride: 1, padding: 1, countPadding: true });
        return averagePool('uncounted', conv('d', pooled), { kernel: 3, stride: 1, padding: 1, countPadding: false });
      },
    ],
    [
      'padding before a convolution',
      (x) => conv('d', zeroPad('pad', conv('c', first(x)), { top: 0, left: 0, bottom: 1, right: 1 }), { stride: 2 }),
    ],
    ['an activation without an operator in bytes', (x) => conv('d', activation('s', conv('c', first(x)), 'swish'))],
    [
      'squeeze and excitation',
      (x) => {
        const y = relu('r', conv('c', first(x)));
        return conv('d', multiply('scale', y, activation('gate', globalAveragePool('squeeze', y), 'sigmoid')));
      },
    ],
    [
      'a batch norm that cannot be folded',
      (x) => {
        const y = relu('r', conv('c', first(x)));
        const stay = {
          scale: constantWeight('s', [8], Array(8).fill(0.5)),
          shift: constantWeight('t', [8]),
          mean: constantWeight('m', [8]),
          variance: constantWeight('v', [8], Array(8).fill(1.5)),
          epsilon: 1e-5,
        };
        return add('add', conv('d', relu('r2', batchNorm('bn', y, stay))), y);
      },
    ],
  ])('%s', async (_, body) => {
    const { error, kernels } = await quantize(smallGraph([SIZE, SIZE], body));
    expect(error).toBeLessThan(CLOSE);
    expect(kernels).toBeLessThan(CLOSE);
  });
});

test('after a first and a depthwise convolution, adds, concatenations, pools and cuts are in bytes alone', async () => {
  const body = (x: MapNode) => {
    const y = relu6('r', conv('c', relu6('depthwise', conv('d', first(x), { groups: 8 }))));
    const sum = relu('sum', add('add', conv('e', y, { groups: 8 }), y));
    const both = concat('both', [relu('r1', conv('c1', sum)), relu('r2', conv('c2', sum, { factor: () => 9 }))]);
    return conv('last', maxPool('pool', both, { kernel: 2, stride: 2 }));
  };
  const { graph, optimized } = await quantize(smallGraph([SIZE, SIZE], body));
  const operators = (await readOnnxFile(optimized)).graph.nodes?.map(({ operator }) => operator) ?? [];
  const inFloats = operators.slice(0, operators.indexOf('QuantizeLinear'));
  expect(inFloats.filter((operator = '') => /Conv/.test(operator))).toEqual(['Conv', 'Conv']);
  const inBytes = operators.slice(inFloats.length + 1, operators.indexOf('DequantizeLinear'));
  expect(inBytes.filter((operator) => operator !== 'Transpose')).toEqual([
    ...['QLinearConv', 'QLinearConv', 'QLinearAdd', 'QLinearConv', 'QLinearConv', 'QLinearConcat', 'NhwcMaxPool'],
    'QLinearConv',
  ]);
  // With one quantization for all of them, a concatenation copies bytes.
  const { sameAs } = planQuantization(graph);
  expect([...sameAs].map(([node, source]) => [node.name, source.name])).toEqual([
    ['r1', 'both'],
    ['r2', 'both'],
    ['pool', 'both'],
  ]);
});

test('channels without weights keep their bias, and so does what follows them', async () => {
  const dead = (channel: number) => (channel < 4 ? 0 : 1);
  const body = (x: MapNode) => conv('d', relu('r', conv('c', first(x), { factor: dead })));
  const { error, kernels } = await quantize(smallGraph([SIZE, SIZE], body));
  expect(error).toBeLessThan(CLOSE);
  expect(kernels).toBeLessThan(CLOSE);
});

test('a layer that gives the same on all images changes nothing', async () => {
  // All weights are zero: after the relu each channel is its bias, or zero everywhere.
  const body = (x: MapNode) => {
    const y = conv('c', first(x));
    return add('add', y, relu('r', conv('zero', y, { factor: () => 0 })));
  };
  const { error, fused } = await quantize(smallGraph([SIZE, SIZE], body));
  expect(fused.every(Number.isFinite)).toBe(true);
  expect(error).toBeLessThan(CLOSE);
});

test('a relu6 that was never above zero on the calibration images still ends at six', async () => {
  const body = (x: MapNode) => {
    const y = first(x);
    const c = conv('c', y);
    const zero = conv2d('zero', y, {
      weight: constantWeight('z', [8, 8, 1, 1], Array(64).fill(0)),
      bias: constantWeight('zb', [8], Array(8).fill(-1)),
    });
    return add('add', c, relu6('r', zero));
  };
  const { error } = await quantize(smallGraph([SIZE, SIZE], body));
  expect(error).toBeLessThan(CLOSE);
});

test('no two products overflow the 16 bits in which processors without VNNI add them', async () => {
  // Weights of one sign, all the largest of their channel: with 127 for each, 255 * 127 * 2 does not fit.
  const ones = (name: string, x: MapNode, out: number) =>
    conv2d(name, x, {
      weight: constantWeight(`${name}.w`, [out, x.shape.channels, 3, 3], Array(out * x.shape.channels * 9).fill(1)),
      bias: constantWeight(`${name}.b`, [out], Array(out).fill(0)),
      padding: 1,
    });
  const bright = (x: MapNode) => normalize('normalize', x, [0, 0, 0], [1, 1, 1]);
  const body = (x: MapNode) => ones('d', relu('r', ones('c', bright(x), 16)), 16);
  const { error, kernels } = await quantize(smallGraph([SIZE, SIZE], body));
  expect(error).toBeLessThan(CLOSE);
  expect(kernels).toBeLessThan(CLOSE);
});
