import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GeneratedTensors } from '../../../scripts/generated-tensors.ts';
import { recognizeArchitecture } from '../../../src/convert/import/import-checkpoint.ts';
import { type TensorFile, unwrapped } from '../../../src/convert/import/state-dict-names.ts';
import { SHARED_ABSENT, sharedPath } from '../../shared-data.ts';

/** A file of generated tensors, whose values are not read here. */
function fileOf(shapes: Record<string, number[]>): TensorFile {
  const tensors = new GeneratedTensors('', shapes);
  return {
    entries: new Map(Object.entries(shapes).map(([name, shape]) => [name, { dtype: 'F32', shape }])),
    names: () => tensors.names(),
    shape: (name) => tensors.shape(name),
    read: (name) => tensors.read(name),
    readBytes: async () => new Uint8Array(0),
  };
}

const folder = sharedPath('golden');
const goldens = folder === undefined ? [] : (await readdir(folder)).filter((name) => name.endsWith('.json'));

describe('an architecture is recognized by its tensors', () => {
  if (folder === undefined) test.skip(SHARED_ABSENT, () => {});
  test.each(goldens.map((name) => basename(name, '.json')))('%s', async (name) => {
    const { tensors } = JSON.parse(await readFile(join(folder ?? '', `${name}.json`), 'utf8'));
    expect(recognizeArchitecture(fileOf(tensors))).toBe(name);
  });
});

test('the error for an unknown architecture names tensors', () => {
  expect(() => recognizeArchitecture(fileOf({ 'blocks.0.attn.qkv.weight': [8, 8] }))).toThrow(
    'no known architecture has exactly these tensors ("blocks.0.attn.qkv.weight" ...)',
  );
});

test('a checkpoint of fastai is answered with the way out', () => {
  expect(() => recognizeArchitecture(fileOf({ '0.0.weight': [8, 3, 7, 7], '1.8.weight': [2, 512] }))).toThrow(
    'torch.onnx.export(learn.model',
  );
});

const BLOCKS = Array.from({ length: 9 }, (_, index) => `layer1.${index}.weight`);

describe('modules around a network are removed from the names', () => {
  test.each([
    [
      ['module.fc.weight', 'module.fc.bias'],
      ['fc.weight', 'fc.bias'],
    ],
    [['_orig_mod.module.fc.weight'], ['fc.weight']],
    // The counter of an averaged model, and the class weights of a loss.
    [['n_averaged', 'module.fc.weight', 'criterion.weight'], ['fc.weight']],
    [
      ['fc.weight', 'module.bias'],
      ['fc.weight', 'module.bias'],
    ],
    [['layer1.0.weight'], ['layer1.0.weight']],
    // A wrapper of any name, and one around all but the head.
    [
      ['student.resnet.conv1.weight', 'student.resnet.fc.weight'],
      ['conv1.weight', 'fc.weight'],
    ],
    [
      [...BLOCKS.map((name) => `model.backbone.${name}`), 'model.head.weight'],
      [...BLOCKS, 'head.weight'],
    ],
    // transformers' names of a ResNet.
    [
      [
        'resnet.embedder.embedder.convolution.weight',
        'resnet.encoder.stages.1.layers.0.shortcut.normalization.bias',
        'resnet.encoder.stages.3.layers.1.layer.2.convolution.weight',
        'classifier.1.weight',
      ],
      ['conv1.weight', 'layer2.0.downsample.1.bias', 'layer4.1.conv3.weight', 'fc.weight'],
    ],
    // Modules of the network itself.
    [
      ['features.conv0.weight', 'features.norm0.weight'],
      ['features.conv0.weight', 'features.norm0.weight'],
    ],
  ])('%s', (names, expected) => {
    const file = unwrapped(fileOf(Object.fromEntries(names.map((name) => [name, [1]]))));
    expect([...file.names()]).toEqual(expected);
    expect([...file.entries.keys()]).toEqual(expected);
    expect(file.shape(expected[0] ?? '')).toEqual([1]);
  });

  test('a file without tensors is refused', () => {
    expect(() => unwrapped(fileOf({}))).toThrow('has no tensors');
  });
});
