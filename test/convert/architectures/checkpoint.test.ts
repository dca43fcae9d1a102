import { describe, expect, test } from 'vitest';
import { GeneratedTensors } from '../../../scripts/generated-tensors.ts';
import { Checkpoint } from '../../../src/convert/architectures/checkpoint.ts';

const checkpoint = (shapes: Record<string, number[]>) => new Checkpoint(new GeneratedTensors('', shapes));

test('the error for a wrong shape names the tensor and both shapes', () => {
  expect(() => checkpoint({ 'conv.weight': [8, 3, 3, 3] }).weight('conv.weight', [8, 3, 7, 7])).toThrow(
    'tensor "conv.weight" has shape [8,3,3,3]; this architecture needs [8,3,7,7]',
  );
});

test('the error for a missing tensor names it and its expected shape', () => {
  expect(() => checkpoint({}).weight('fc.bias', [10])).toThrow('tensor "fc.bias" of shape [10] is missing');
});

test('a dense layer may be stored as a convolution that covers its input', () => {
  const stored = checkpoint({ fc: [5, 2, 3, 4] });
  expect(stored.weight('fc', [5, 24]).shape).toEqual([5, 24]);
  expect(() => stored.weight('fc', [5, 25])).toThrow('needs [5,25]');
});

describe('a tensor that was never requested', () => {
  test('is an error: the checkpoint is of another architecture', () => {
    const stored = checkpoint({ used: [1], 'layer4.2.conv1.weight': [1] });
    stored.weight('used', [1]);
    expect(() => stored.expectAllUsed()).toThrow('no layer for 1 tensor(s) of the checkpoint: "layer4.2.conv1.weight"');
  });

  test('is ignored when it is a counter of training steps or of an auxiliary classifier', () => {
    const stored = checkpoint({ 'bn1.num_batches_tracked': [], 'aux1.fc.weight': [1] });
    expect(() => stored.expectAllUsed(/^aux1\./)).not.toThrow();
  });
});
