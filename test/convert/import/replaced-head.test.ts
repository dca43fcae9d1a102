import { describe, expect, test } from 'vitest';
import { elementCount } from '../../../src/common/tensor.ts';
import { fitReplacedHead } from '../../../src/convert/import/replaced-head.ts';
import type { TensorFile } from '../../../src/convert/import/state-dict-names.ts';
import { parseArchitecture } from '../../../src/convert/network.ts';

/** A resnet of one convolution, whose features are two channels. */
const ARCHITECTURE = parseArchitecture({ family: 'resnet', block: 'basic', layers: [1], widths: [2] });
const NORM = (name: string): Record<string, number[]> =>
  Object.fromEntries(['weight', 'bias', 'running_mean', 'running_var'].map((part) => [`${name}.${part}`, [2]]));
const BACKBONE = {
  'conv1.weight': [2, 3, 7, 7],
  ...NORM('bn1'),
  'layer1.0.conv1.weight': [2, 2, 3, 3],
  ...NORM('layer1.0.bn1'),
  'layer1.0.conv2.weight': [2, 2, 3, 3],
  ...NORM('layer1.0.bn2'),
};

/** The checkpoint of `ARCHITECTURE` with this head. */
const withHead = (head: Record<string, number[]>) => fileOf({ ...BACKBONE, ...head });

/** A checkpoint of tensors with the values 1, 2, 3 and so on. */
function fileOf(tensors: Record<string, number[]>): TensorFile {
  const shapes = new Map<string, number[]>(Object.entries(tensors));
  const entries = new Map(Array.from(shapes, ([name, shape]) => [name, { dtype: 'F32', shape }] as const));
  return {
    entries,
    names: () => shapes.keys(),
    shape: (name) => shapes.get(name),
    read: async (name) => Float32Array.from({ length: elementCount(shapes.get(name) ?? []) }, (_, index) => index + 1),
    readBytes: async () => new Uint8Array(0),
  };
}

const headOf = (head: Record<string, number[]>) => fitReplacedHead(ARCHITECTURE, withHead(head), [64, 64]);

/** `weight x + bias` */
function dense(weight: Float32Array, bias: Float32Array, x: readonly number[]): number[] {
  return Array.from(bias, (shift, out) =>
    x.reduce((sum, value, index) => sum + value * (weight[out * x.length + index] ?? Number.NaN), shift),
  );
}

/** A batch norm of width two whose tensors are all 1, 2. */
const norm = (x: readonly number[]) =>
  x.map((value, index) => ((index + 1) * (value - index - 1)) / Math.sqrt(index + 1 + 1e-5) + index + 1);
const relu = (x: readonly number[]) => x.map((value) => Math.max(value, 0));
/** The values of a layer of these sizes in `withHead`. */
const layer = (outputs: number, inputs: number) => (x: readonly number[]) =>
  dense(
    Float32Array.from({ length: outputs * inputs }, (_, index) => index + 1),
    Float32Array.from({ length: outputs }, (_, index) => index + 1),
    x,
  );

async function answer(fitted: ReturnType<typeof headOf>, names: readonly string[], x: readonly number[]) {
  if (fitted === undefined) throw new Error('the head was not replaced');
  let values = x;
  for (const [index, name] of names.entries()) {
    const [weight, bias] = [await fitted.tensors.read(`${name}.weight`), await fitted.tensors.read(`${name}.bias`)];
    values = dense(weight, bias, index === 0 ? values : relu(values));
  }
  return values;
}

test('the last layer of the architecture is left as it is', () => {
  expect(headOf({ 'fc.weight': [5, 2], 'fc.bias': [5] })).toBeUndefined();
});

test('a dropout before the last layer only changes its name', async () => {
  const fitted = headOf({ 'fc.1.weight': [3, 2], 'fc.1.bias': [3] });
  expect(fitted).toMatchObject({ architecture: ARCHITECTURE, notes: [] });
  expect(await answer(fitted, ['fc'], [5, 7])).toEqual(layer(3, 2)([5, 7]));
});

const TWO = ['head.0', 'head.1'];
describe('a Sequential becomes the head', () => {
  test.each<[string, Record<string, number[]>, readonly string[], (x: readonly number[]) => number[]]>([
    [
      'Linear, ReLU, Dropout, Linear',
      { 'fc.0.weight': [2, 2], 'fc.0.bias': [2], 'fc.3.weight': [3, 2], 'fc.3.bias': [3] },
      TWO,
      (x) => layer(3, 2)(relu(layer(2, 2)(x))),
    ],
    [
      'Linear, BatchNorm, ReLU, Linear',
      { 'fc.0.weight': [2, 2], 'fc.0.bias': [2], ...NORM('fc.1'), 'fc.3.weight': [3, 2], 'fc.3.bias': [3] },
      TWO,
      (x) => layer(3, 2)(relu(norm(layer(2, 2)(x)))),
    ],
    [
      'Linear, ReLU, BatchNorm, Linear',
      { 'fc.0.weight': [2, 2], 'fc.0.bias': [2], ...NORM('fc.2'), 'fc.3.weight': [3, 2], 'fc.3.bias': [3] },
      TWO,
      (x) => layer(3, 2)(norm(relu(layer(2, 2)(x)))),
    ],
    [
      'BatchNorm, Dropout, Linear',
      { ...NORM('fc.0'), 'fc.2.weight': [3, 2], 'fc.2.bias': [3] },
      ['fc'],
      (x) => layer(3, 2)(norm(x)),
    ],
    [
      'layers with names',
      { 'fc.fc1.weight': [2, 2], 'fc.fc1.bias': [2], 'fc.output.weight': [3, 2], 'fc.output.bias': [3] },
      TWO,
      (x) => layer(3, 2)(relu(layer(2, 2)(x))),
    ],
    [
      'ten modules and more, in alphabetical order',
      { 'fc.10.weight': [3, 2], 'fc.10.bias': [3], 'fc.2.weight': [2, 2], 'fc.2.bias': [2] },
      TWO,
      (x) => layer(3, 2)(relu(layer(2, 2)(x))),
    ],
  ])('%s', async (_, head, names, expected) => {
    const fitted = headOf(head);
    const found = await answer(fitted, names, [5, 7]);
    const right = expected([5, 7]);
    expect(found.length).toBe(right.length);
    for (const [index, value] of right.entries()) expect(found[index]).toBeCloseTo(value, 3);
    expect([...(fitted?.tensors.names() ?? [])].filter((name) => /^(fc|head)\./.test(name))).toEqual(
      names.flatMap((name) => [`${name}.weight`, `${name}.bias`]),
    );
  });

  test('which says that a ReLU is assumed', () => {
    const head = { 'fc.0.weight': [4, 2], 'fc.0.bias': [4], 'fc.2.weight': [3, 4], 'fc.2.bias': [3] };
    expect(headOf(head)?.architecture.head).toMatchObject({ from: 'features', hidden: [4] });
    expect(headOf(head)?.notes).toEqual([expect.stringContaining('a ReLU is assumed')]);
  });
});

test.each([
  ['fc', { 'fc.weight': [1, 2], 'fc.bias': [1] }],
  ['in a Sequential', { 'fc.1.weight': [1, 2], 'fc.1.bias': [1] }],
  ['without a bias', { 'fc.weight': [1, 2] }],
])('one output becomes two classes: %s', async (_, head) => {
  const fitted = headOf(head);
  const [no, yes] = await answer(fitted, ['fc'], [0.25, -0.5]);
  expect(no).toBe(0);
  expect(yes).toBeCloseTo(0.25 - 1 + ('fc.weight' in head && !('fc.bias' in head) ? 0 : 1), 6);
  expect(fitted?.notes).toEqual([expect.stringContaining('became two classes')]);
});

test('a head may have another name than the last layer', async () => {
  const fitted = headOf({
    'head.fc1.weight': [2, 2],
    'head.fc1.bias': [2],
    'head.out.weight': [3, 2],
    'head.out.bias': [3],
  });
  expect(await answer(fitted, TWO, [5, 7])).toEqual(layer(3, 2)(relu(layer(2, 2)([5, 7]))));
});

describe('dense layers of VGG that were replaced together', () => {
  const vgg = parseArchitecture({ family: 'vgg', features: [2, 'M'], hidden: [8, 8] });
  const convolution = { 'features.0.weight': [2, 3, 3, 3], 'features.0.bias': [2] };
  const vggOf = (head: Record<string, number[]>) => fitReplacedHead(vgg, fileOf({ ...convolution, ...head }), [14, 14]);

  test.each<[string, Record<string, number[]>, object]>([
    ['a dense layer', { 'classifier.weight': [3, 98], 'classifier.bias': [3] }, { hidden: [], pool: 7 }],
    [
      'layers with names',
      {
        'classifier.fc1.weight': [4, 98],
        'classifier.fc1.bias': [4],
        'classifier.fc2.weight': [3, 4],
        'classifier.fc2.bias': [3],
      },
      { hidden: [], pool: 7, head: { from: 'features', hidden: [4] } },
    ],
    [
      'after the mean of each map',
      { 'classifier.1.weight': [3, 2], 'classifier.1.bias': [3] },
      { hidden: [], pool: 1 },
    ],
  ])('%s', (_, head, architecture) => {
    expect(vggOf(head)?.architecture).toMatchObject(architecture);
  });

  test('of another width are refused', () => {
    expect(() => vggOf({ 'classifier.weight': [3, 9], 'classifier.bias': [3] })).toThrow('it reads 9 values');
  });
});

test('one output of a convolution becomes two classes', async () => {
  const squeezenet = parseArchitecture({ family: 'squeezenet', stem: { width: 2, kernel: 3 }, features: ['M'] });
  const file = fileOf({
    'features.0.weight': [2, 3, 3, 3],
    'features.0.bias': [2],
    'classifier.1.weight': [1, 2, 1, 1],
    'classifier.1.bias': [1],
  });
  const fitted = fitReplacedHead(squeezenet, file, [64, 64]);
  expect(fitted?.notes).toEqual([expect.stringContaining('became two classes')]);
  expect(fitted?.tensors.shape('classifier.1.weight')).toEqual([2, 2, 1, 1]);
  expect(await fitted?.tensors.read('classifier.1.weight')).toEqual(Float32Array.of(0, 0, 1, 2));
  expect(await fitted?.tensors.read('classifier.1.bias')).toEqual(Float32Array.of(0, 1));
});

describe('a head that cannot be taken is named by a tensor, with the way out:', () => {
  test.each<[string, Record<string, number[]>, string]>([
    ['a convolution', { 'fc.0.weight': [2, 2, 3, 3], 'fc.2.weight': [3, 2], 'fc.2.bias': [3] }, 'fc.0.weight'],
    [
      'no activation between layers',
      { 'fc.0.weight': [2, 2], 'fc.0.bias': [2], 'fc.1.weight': [3, 2], 'fc.1.bias': [3] },
      'fc.1.weight',
    ],
    ['another width', { 'fc.1.weight': [3, 9], 'fc.1.bias': [3] }, 'fc.1.weight'],
    ['a norm of another width', { ...NORM('fc.0'), 'fc.0.weight': [3], 'fc.1.weight': [3, 2] }, 'fc.0.weight'],
    ['a norm at the end', { 'fc.0.weight': [3, 2], 'fc.0.bias': [3], ...NORM('fc.5') }, 'fc.5.weight'],
  ])('%s', (_, head, tensor) => {
    expect(() => headOf(head)).toThrow(new RegExp(`^tensor "${tensor}" of the head: .*Export the model to ONNX`));
  });
});
