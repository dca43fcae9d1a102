import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import { elementCount, type Tensor } from '../../../src/common/tensor.ts';
import { attachConvolution, attachHead, type DenseWeights } from '../../../src/convert/architectures/head.ts';
import { weightLocations, writeOnnx } from '../../../src/convert/formats/onnx/emitter.ts';
import { writeOnnxExplanation } from '../../../src/convert/formats/onnx/explanation.ts';
import { explainableHead } from '../../../src/convert/graph/explanation.ts';
import type { Graph } from '../../../src/convert/graph/graph.ts';
import {
  ACTIVATION_FUNCTIONS,
  type ActivationFunction,
  activation,
  averagePool,
  conv2d,
  dense,
  flatten,
  globalAveragePool,
  join as joinVectors,
  type MapNode,
  mapInput,
  maxPool,
  pixels,
  type VectorNode,
} from '../../../src/convert/graph/ir.ts';
import type { Weight } from '../../../src/convert/graph/tensors.ts';
import type { Pair } from '../../../src/convert/graph/windows.ts';

/** An explanation is what each cell of the last map adds to the logit of a class. */
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-explanation-'));
});
afterEach(() => rm(folder, { recursive: true }));

const CLASSES = 3;
const CHANNELS = 3;

const weight = (name: string, shape: readonly number[]): Weight => ({
  name,
  shape,
  read: async () => stream(name, elementCount(shape), -1, 1),
});
const layer = (name: string, inputs: number, outputs: number): DenseWeights => ({
  weight: weight(`${name}.weight`, [outputs, inputs]),
  bias: weight(`${name}.bias`, [outputs]),
});

/** The activations are the pixels, which are positive, so that a test can change them. */
function classifier(size: Pair, head: (activations: MapNode) => VectorNode): Graph {
  const input = pixels(size);
  const identity = Float32Array.from({ length: CHANNELS ** 2 }, (_, index) => (index % (CHANNELS + 1) === 0 ? 1 : 0));
  const convolved = conv2d('conv', input, {
    weight: { name: 'conv.weight', shape: [CHANNELS, CHANNELS, 1, 1], read: async () => identity },
  });
  const activations = activation('conv.relu', convolved, 'relu');
  const entering = head(activations);
  return attachHead(input, activations, entering, [layer('fc', entering.shape.length, CLASSES)]);
}

interface Explained {
  readonly method: string;
  /** `[n, height, width]` */
  readonly explanation: Tensor;
  readonly activations: Tensor;
  readonly logits: Tensor;
}

const OPTIONS = { pixelType: 'float32' } as const;

/** Writes a model and its explanation model, and runs both. */
async function explain(graph: Graph, images: Float32Array, classes: readonly number[]): Promise<Explained> {
  const path = join(folder, 'model.onnx');
  await writeOnnx(graph, path, OPTIONS);
  const head = explainableHead(graph);
  await writeOnnxExplanation(graph, head, join(folder, 'explanation.onnx'), weightLocations(graph, path, OPTIONS));
  const { activations, features, logits } = await runModel(graph, images);
  const answer = await run(join(folder, 'explanation.onnx'), {
    activations: new ort.Tensor('float32', activations.data, activations.shape),
    features: new ort.Tensor('float32', features.data, features.shape),
    class: new ort.Tensor('int64', BigInt64Array.from(classes, BigInt), [classes.length]),
  });
  if (!answer['explanation']) throw new Error('there is no explanation');
  return { method: head.method, explanation: answer['explanation'], activations, logits };
}

/** The model in the folder, on images whose pixels are floats. */
async function runModel({ input }: Graph, images: Float32Array) {
  const { height, width } = input.shape;
  const shape = [images.length / (height * width * 3), height, width, 3];
  const { activations, features, logits } = await run(join(folder, 'model.onnx'), {
    pixels: new ort.Tensor('float32', images, shape),
  });
  if (!activations || !features || !logits) throw new Error('an output is missing');
  return { activations, features, logits };
}

async function run(path: string, feeds: Record<string, ort.Tensor>): Promise<Record<string, Tensor>> {
  const session = await ort.InferenceSession.create(path);
  const results = await session.run(feeds);
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { data, dims }]) => [
      name,
      { data: Float32Array.from(data as Float32Array), shape: dims },
    ]),
  );
}

const imagesOf = (count: number, [height, width]: Pair) => stream('images', count * height * width * 3, 0.1, 1);
const rowOf = ({ data, shape }: Tensor, row: number) => {
  const length = elementCount(shape.slice(1));
  return data.subarray(row * length, (row + 1) * length);
};
const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);

describe('the mean of each channel and one dense layer', () => {
  it('cells and bias add up to the logit of any class', async () => {
    const graph = classifier([4, 6], (map) => globalAveragePool('pool', map));
    const classes = [2, 0, 1];
    const { method, explanation, logits } = await explain(graph, imagesOf(3, [4, 6]), classes);
    expect(method).toBe('cam');
    expect(explanation.shape).toEqual([3, 4, 6]);
    const bias = await weight('fc.bias', [CLASSES]).read();
    for (const [row, index] of classes.entries()) {
      const total = sum(rowOf(explanation, row)) + (bias[index] ?? 0);
      expect(total).toBeCloseTo(rowOf(logits, row)[index] ?? Number.NaN, 5);
    }
  });
});

describe('a 1x1 convolution, a relu and the mean of each channel, as in SqueezeNet', () => {
  it('cells add up to the logit of any class', async () => {
    const map = mapInput(classifier([4, 6], (activations) => globalAveragePool('pool', activations)).outputs.features);
    const input = mapInput(mapInput(map));
    const graph = attachConvolution(input, map, globalAveragePool('pool', map), {
      weight: weight('fc.weight', [CLASSES, CHANNELS, 1, 1]),
      bias: weight('fc.bias', [CLASSES]),
    });
    const classes = [2, 0, 1];
    const { method, explanation, logits } = await explain(graph, imagesOf(3, [4, 6]), classes);
    expect(method).toBe('cam');
    expect(explanation.shape).toEqual([3, 4, 6]);
    for (const [row, index] of classes.entries()) {
      expect(sum(rowOf(explanation, row))).toBeCloseTo(rowOf(logits, row)[index] ?? Number.NaN, 5);
    }
  });
});

/** Heads that are not linear, by their layers. */
const HEADS: Record<string, (map: MapNode) => VectorNode> = {
  'a flattened map': (map) => flatten('flat', map),
  ...Object.fromEntries(
    ACTIVATION_FUNCTIONS.map((apply) => [
      `a hidden layer with ${apply}`,
      (map: MapNode) => hidden(globalAveragePool('pool', map), apply),
    ]),
  ),
  'two hidden layers with hard_swish': (map) => hidden(flatten('flat', map), 'hard_swish', 'hard_swish'),
  'a max pool, as in VGG': (map) =>
    hidden(flatten('flat', maxPool('max', map, { kernel: 2, stride: 2 })), 'relu', 'relu'),
  'a max pool with overlapping windows, as in AlexNet': (map) =>
    hidden(flatten('flat', maxPool('max', map, { kernel: 3, stride: 2, padding: 1 })), 'relu'),
  'an adaptive average pool': (map) =>
    hidden(flatten('flat', averagePool('mean', map, { kernel: 2, stride: 2, countPadding: false })), 'relu'),
  'earlier layers beside the mean': (map) => joinVectors('joined', [earlier(map), globalAveragePool('pool', map)]),
  'earlier layers, then a hidden layer': (map) =>
    hidden(joinVectors('joined', [globalAveragePool('pool', map), earlier(map)]), 'relu6'),
  'earlier layers beside hidden ones': (map) =>
    joinVectors('joined', [earlier(map), hidden(flatten('flat', map), 'relu', 'relu')]),
  'padding that does not count': (map) =>
    hidden(
      flatten('flat', averagePool('mean', map, { kernel: 3, stride: 2, padding: 1, countPadding: false })),
      'relu',
    ),
};

/** An earlier map, which a head may read too. Here it is the same for every image. */
function earlier(map: MapNode): VectorNode {
  const read = async () => new Float32Array(5 * CHANNELS);
  const early = conv2d('early', mapInput(mapInput(map)), {
    weight: { name: 'early.weight', shape: [5, CHANNELS, 1, 1], read },
    bias: weight('early.bias', [5]),
  });
  return globalAveragePool('early.mean', early);
}

function hidden(x: VectorNode, ...functions: readonly ActivationFunction[]): VectorNode {
  return functions.reduce((below, apply, index) => {
    const name = `hidden.${index}`;
    return activation(`${name}.act`, dense(name, below, layer(name, below.shape.length, 8)), apply);
  }, x);
}

describe('any other head', () => {
  it.each(Object.entries(HEADS))('%s: the mean gradient of each channel, times its activations', async (_, head) => {
    const [height, width] = [6, 6];
    const cells = height * width;
    const graph = classifier([height, width], head);
    const { method, explanation, activations } = await explain(graph, imagesOf(2, [height, width]), [1, 2]);
    expect(method).toBe('grad_cam');
    for (const [row, index] of [1, 2].entries()) {
      const map = rowOf(activations, row);
      const means = await meanGradients(graph, map, index);
      for (let cell = 0; cell < cells; cell += 1) {
        const expected = means.reduce(
          (total, mean, channel) => total + mean * (map[cell * CHANNELS + channel] ?? 0),
          0,
        );
        expect(rowOf(explanation, row)[cell]).toBeCloseTo(expected, 3);
      }
    }
  });
});

/** Mean gradients by finite differences: changing all cells of a channel gives the sum of its gradients. */
async function meanGradients(graph: Graph, map: Float32Array, index: number): Promise<number[]> {
  const step = 2e-3;
  const moved = (channel: number, by: number) =>
    map.map((value, at) => (at % CHANNELS === channel ? value + by : value));
  const channels = Array.from({ length: CHANNELS }, (_, channel) => channel);
  const images = channels.flatMap((channel) => [...moved(channel, step), ...moved(channel, -step)]);
  const { logits } = await runModel(graph, Float32Array.from(images));
  return channels.map((channel) => {
    const [above = 0, below = 0] = [0, 1].map((side) => rowOf(logits, 2 * channel + side)[index]);
    return (above - below) / (2 * step) / (map.length / CHANNELS);
  });
}

describe('a head that cannot be traced', () => {
  const refused: Record<string, (map: MapNode) => VectorNode> = {
    'a convolution after the activations, without a map of classes': (map) =>
      globalAveragePool('pool', conv2d('late', map, { weight: weight('late.weight', [3, 3, 1, 1]) })),
    'padding that counts': (map) =>
      flatten('flat', averagePool('late', map, { kernel: 3, stride: 1, padding: 1, countPadding: true })),
    'two hidden layers over earlier maps': (map) => {
      const joined = joinVectors('joined', [earlier(map), globalAveragePool('pool', map)]);
      const first = activation('late', dense('first', joined, layer('first', joined.shape.length, 8)), 'relu');
      return activation('relu', dense('second', first, layer('second', 8, 8)), 'relu');
    },
  };
  it.each(Object.entries(refused))('%s: the error names the layer', (_, head) => {
    expect(() => explainableHead(classifier([6, 6], head))).toThrow(
      /layer "late" \((conv2d|average_pool|activation)\)/,
    );
  });
});

it('the explanation model has no weights and only a few hundred bytes', async () => {
  const graph = classifier([6, 6], (map) => hidden(flatten('flat', map), 'relu', 'relu'));
  const path = join(folder, 'model.onnx');
  const outside = { ...OPTIONS, externalAboveBytes: 0 };
  await writeOnnx(graph, path, outside);
  const places = weightLocations(graph, path, outside);
  expect(new Set([...places.values()].map((place) => place.path))).toEqual(new Set([`${path}.data`]));
  const explanation = join(folder, 'explanation.onnx');
  const { size } = await writeOnnxExplanation(graph, explainableHead(graph), explanation, places);
  expect(size).toBeLessThan(3000);
  const map = imagesOf(1, [6, 6]);
  const { features } = await runModel(graph, map);
  const { explanation: beside } = await run(explanation, {
    activations: new ort.Tensor('float32', map, [1, 6, 6, 3]),
    features: new ort.Tensor('float32', features.data, features.shape),
    class: new ort.Tensor('int64', BigInt64Array.of(1n), [1]),
  });
  await rm(path);
  await rm(explanation);
  expect(beside).toEqual((await explain(graph, map, [1])).explanation);
});
