import { expect, test } from 'vitest';
import { GeneratedTensors } from '../../../scripts/generated-tensors.ts';
import { buildNetwork, parseArchitecture } from '../../../src/convert/network.ts';

const SHAPES = { 'conv.weight': [4, 3, 3, 3], 'classifier.weight': [2, 4], 'classifier.bias': [2] };
const conv = {
  kind: 'conv2d',
  name: 'conv',
  inputs: ['input'],
  weight: 'conv.weight',
  stride: [1, 1],
  padding: { top: 1, bottom: 1, left: 1, right: 1 },
  groups: 1,
};
const mean = { kind: 'global_average_pool', name: 'mean', inputs: ['conv'] };
const relu = { kind: 'activation', name: 'relu', inputs: ['conv'], function: 'relu' };
const table = (changes: object = {}) => ({
  family: 'graph',
  input_size: [8, 8],
  layers: [conv, mean],
  activations: 'conv',
  features: 'mean',
  ...changes,
});
const build = (value: object, shapes: Record<string, number[]> = SHAPES) =>
  buildNetwork(parseArchitecture(value), new GeneratedTensors('', shapes), {
    inputSize: [8, 8],
    mean: [0, 0, 0],
    std: [1, 1, 1],
  });

test('builds a network from a table of layers', () => {
  const { outputs } = build(table());
  expect(outputs.logits.shape.length).toBe(2);
  expect(outputs.activations.shape).toMatchObject({ height: 8, width: 8, channels: 4 });
});

test('a head that reads the activations needs no layers after them', () => {
  const own = { 'conv.weight': [4, 3, 3, 3], 'head.0.weight': [5, 4], 'head.0.bias': [5] };
  const dense = { kind: 'dense', name: 'hidden', inputs: ['mean'], weight: 'hidden.weight' };
  const behind = table({ layers: [conv, mean, dense], features: 'hidden', head: { from: 'activations' } });
  expect(build(behind, own).outputs.logits.shape.length).toBe(5);
});

test.each<[string, object, string]>([
  ['a layer of an unknown kind', { layers: [{ ...conv, kind: 'attention' }, mean] }, 'layers'],
  ['an unknown option of a layer', { layers: [{ ...conv, dilation: 2 }, mean] }, 'dilation'],
  ['a layer that reads a later one', { layers: [relu, conv, mean], activations: 'relu' }, 'does not come before it'],
  ['two layers with the same name', { layers: [conv, conv, mean] }, 'two layers are named "conv"'],
  ["the input's name for a layer", { layers: [{ ...conv, name: 'input' }, mean] }, 'two layers are named "input"'],
  ['a layer that reads an unknown layer', { layers: [{ ...conv, inputs: ['none'] }, mean] }, 'reads layer "none"'],
  ['a missing tensor', { layers: [{ ...conv, weight: 'other.weight' }, mean] }, 'tensor "other.weight"'],
  ['a vector where a map is needed', { activations: 'mean' }, 'needs a map'],
  ['a map where a vector is needed', { features: 'conv' }, 'needs a vector'],
  ['images of another size', { input_size: [9, 9] }, 'takes images of 9x9, not of 8x8'],
  ['no layers', { layers: [] }, 'layers'],
])('%s is refused', (_, changes, reason) => {
  expect(() => build(table(changes))).toThrow(reason);
});
