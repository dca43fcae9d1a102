import { describe, expect, test } from 'vitest';
import { stream } from '../../../scripts/generated-tensors.ts';
import { conv2d, pixels } from '../../../src/convert/graph/ir.ts';
import { quantizeWeights } from '../../../src/convert/quantize/weights.ts';
import { constantWeight } from '../constant-weight.ts';

const [OUT, CELLS] = [5, 9];

/** The bytes of a 3x3 convolution, `bytes[filter][channel][cell]`. */
async function bytesOf(channels: number, values: readonly number[], groups = 1): Promise<number[][][]> {
  const [input, shape] = [pixels([8, 8]), [values.length / (channels * CELLS), channels, 3, 3]];
  const map = { ...input, shape: { ...input.shape, channels: channels * groups } };
  const node = conv2d('c', map, { weight: constantWeight('w', shape, [...values]), groups });
  const { weight } = await quantizeWeights(node, 0.01, undefined);
  const cellsOf = (filter: number, channel: number) => {
    const at = (filter * channels + channel) * CELLS;
    return [...weight.subarray(at, at + CELLS)];
  };
  const filters = Array.from({ length: shape[0] ?? 0 }, (_, filter) => filter);
  return filters.map((filter) => Array.from({ length: channels }, (_, channel) => cellsOf(filter, channel)));
}

const positive = (channels: number) => [...stream('weights', OUT * channels * CELLS, 0.2, 1)];

describe('of weights whose products with a byte are added in 16 bits, none overflow', () => {
  test('those of two neighbouring channels', async () => {
    for (const channels of await bytesOf(6, positive(6))) {
      const pairs = [0, 2, 4].flatMap((at) =>
        (channels[at] ?? []).map((byte, cell) => [byte, channels[at + 1]?.[cell]]),
      );
      const sums = pairs.map(([one = 0, other = 0]) => one + other);
      expect(Math.max(...sums)).toBeLessThanOrEqual(128);
      expect(Math.max(...sums)).toBeGreaterThan(120);
    }
  });

  test('any two, where channels are no multiple of two', async () => {
    for (const channels of await bytesOf(3, positive(3))) {
      const [first = 0, second = 0] = channels.flat().sort((a, b) => b - a);
      expect(first + second).toBeLessThanOrEqual(128);
      expect(first + second).toBeGreaterThan(120);
    }
  });

  test('weights that do not meet, or of a depthwise convolution, use a whole byte', async () => {
    const apart = positive(6).map((value, at) => (Math.floor(at / CELLS) % 2 === 0 ? value : -value));
    for (const channels of await bytesOf(6, apart)) expect(Math.max(...channels.flat().map(Math.abs))).toBe(127);
    for (const channels of await bytesOf(1, positive(1), OUT)) expect(Math.max(...channels.flat())).toBe(127);
  });
});
