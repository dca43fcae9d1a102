import { describe, expect, test } from 'vitest';
import {
  add,
  averagePool,
  batchNorm,
  concat,
  conv2d,
  dense,
  flatten,
  globalAveragePool,
  maxPool,
  normalize,
  pixels,
  softmax,
  zeroPad,
} from '../../../src/convert/graph/ir.ts';
import { constantWeight } from '../constant-weight.ts';

const input = pixels([32, 48]);
const map = (height: number, width: number, channels: number) => ({ kind: 'map', height, width, channels });
const vector = (length: number) => ({ kind: 'vector', length });

describe('shapes', () => {
  test('of a convolution with stride and padding', () => {
    const weight = constantWeight('w', [8, 3, 3, 5]);
    expect(conv2d('conv', input, { weight, stride: 2, padding: [1, 2] }).shape).toEqual(map(16, 24, 8));
  });

  test('of a depthwise convolution', () => {
    const weight = constantWeight('w', [6, 1, 3, 3]);
    expect(conv2d('conv', input, { weight, groups: 3, padding: 1 }).shape).toEqual(map(32, 48, 6));
  });

  test('of pools', () => {
    expect(maxPool('pool', input, { kernel: 3, stride: 2, padding: 1 }).shape).toEqual(map(16, 24, 3));
    expect(averagePool('pool', input, { kernel: 2, stride: 2, countPadding: false }).shape).toEqual(map(16, 24, 3));
    expect(globalAveragePool('pool', input).shape).toEqual(vector(3));
  });

  test('of other layers', () => {
    expect(zeroPad('pad', input, { top: 1, bottom: 2, left: 3, right: 4 }).shape).toEqual(map(35, 55, 3));
    expect(add('add', input, input).shape).toEqual(input.shape);
    expect(concat('concat', [input, input]).shape).toEqual(map(32, 48, 6));
    const flat = flatten('flatten', input);
    expect(flat.shape).toEqual(vector(32 * 48 * 3));
    expect(softmax('softmax', dense('dense', flat, { weight: constantWeight('w', [10, 4608]) })).shape).toEqual(
      vector(10),
    );
  });
});

describe('the error for a layer that does not fit names it and what it needs', () => {
  const weight = constantWeight('conv.weight', [8, 4, 3, 3]);

  test.each([
    [
      'channels',
      () => conv2d('conv', input, { weight }),
      'layer "conv": weight "conv.weight" is [8,4,3,3], which does not fit 3 channels',
    ],
    [
      'groups',
      () => conv2d('conv', input, { weight: constantWeight('w', [8, 1, 3, 3]), groups: 3 }),
      'does not fit 3 channels in 3 group(s)',
    ],
    ['rank', () => conv2d('conv', input, { weight: constantWeight('w', [8, 3]) }), 'not [out, in, height, width]'],
    [
      'a bias',
      () => conv2d('conv', input, { weight: constantWeight('w', [8, 3, 1, 1]), bias: constantWeight('b', [7]) }),
      '"b" is [7], not [8]',
    ],
    [
      'a window',
      () => conv2d('conv', input, { weight: constantWeight('w', [8, 3, 33, 33]) }),
      'a window of 33x33 does not fit into 32x48 of 3 channels',
    ],
    ['a sum', () => add('sum', input, pixels([32, 32])), 'cannot add 32x48 of 3 channels and 32x32 of 3 channels'],
    ['a concatenation', () => concat('cat', [input, pixels([16, 48])]), 'cannot concatenate'],
    [
      'a dense layer',
      () => dense('fc', globalAveragePool('pool', input), { weight: constantWeight('w', [10, 4]) }),
      'layer "fc": weight "w" is [10,4], not [out, 3]',
    ],
    [
      'a batch norm',
      () => {
        const four = constantWeight('bn.weight', [4]);
        return batchNorm('bn', input, { scale: four, shift: four, mean: four, variance: four, epsilon: 1e-5 });
      },
      'layer "bn": "bn.weight" is [4], not [3]',
    ],
    ['a deviation of zero', () => normalize('n', input, [0, 0, 0], [1, 0, 1]), 'positive deviations'],
  ])('%s', (_, build, message) => {
    expect(build).toThrow(message);
  });
});
