import { copyFile, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stream } from '../../../../scripts/generated-tensors.ts';
import { elementCount } from '../../../../src/common/tensor.ts';
import { SafetensorsFile } from '../../../../src/convert/formats/safetensors/reader.ts';
import { importKerasModel } from '../../../../src/convert/import/import-keras.ts';
import { zipOf } from '../../../finetuning/dataset/zip-fixtures.ts';
import { KERAS_FOLDER } from '../../../golden/keras-models.ts';
import { type StoredValues, writeH5 } from './h5-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-keras-file-'));
});
afterEach(() => rm(folder, { recursive: true }));

const target = () => join(folder, 'weights.safetensors');
const tensor = (name: string, ...shape: number[]): StoredValues => ({
  values: stream(name, elementCount(shape), -1, 1),
  shape,
});

const input = { class_name: 'InputLayer', config: { name: 'input_1', batch_input_shape: [null, 5, 4, 3] } };
const conv = (name: string) => ({
  class_name: 'Conv2D',
  config: { name, filters: 2, kernel_size: [2, 2], strides: [1, 1], padding: 'valid', activation: 'relu' },
});
const dense = (name: string, units: number) => ({ class_name: 'Dense', config: { name, units } });
const flatten = { class_name: 'Flatten', config: { name: 'flatten' } };
const sequential = (name: string, ...layers: object[]) => ({ class_name: 'Sequential', config: { name, layers } });

/** A model of Keras 2 with a model in it, whose layers have the names of others. */
const nested = sequential('outer', input, sequential('base', input, conv('conv')), flatten, conv1x1('dense'), {
  ...dense('dense', 3),
});
function conv1x1(name: string) {
  return sequential(
    'hidden',
    { class_name: 'InputLayer', config: { name: 'input_2', batch_input_shape: [null, 24] } },
    dense(name, 6),
  );
}
const nestedTensors = {
  'model_weights/base/conv/kernel:0': tensor('conv/kernel', 2, 2, 3, 2),
  'model_weights/base/conv/bias:0': tensor('conv/bias', 2),
  'model_weights/hidden/dense/kernel:0': tensor('inner/kernel', 24, 6),
  'model_weights/hidden/dense/bias:0': tensor('inner/bias', 6),
  'model_weights/dense/dense/kernel:0': tensor('outer/kernel', 6, 3),
  'model_weights/dense/dense/bias:0': tensor('outer/bias', 3),
};

describe('an .h5 file of Keras 2', () => {
  test('is read with the weights of its layers, also where a layer in an inner model has the same name', async () => {
    const path = join(folder, 'model.h5');
    await writeH5(path, { model_config: JSON.stringify(nested), keras_version: '2.3.1' }, nestedTensors);
    const { numClasses, featureSize } = await importKerasModel(path, undefined, target());
    expect({ numClasses, featureSize }).toEqual({ numClasses: 3, featureSize: 6 });
    const weights = await SafetensorsFile.open(target());
    try {
      expect(await weights.read('classifier.bias')).toEqual(tensor('outer/bias', 3).values);
      expect(await weights.read('dense.bias')).toEqual(tensor('inner/bias', 6).values);
      expect(await weights.read('conv.bias')).toEqual(tensor('conv/bias', 2).values);
    } finally {
      await weights.close();
    }
  });

  test('a missing weight is named', async () => {
    const path = join(folder, 'model.h5');
    const { 'model_weights/base/conv/bias:0': _, ...others } = nestedTensors;
    await writeH5(path, { model_config: JSON.stringify(nested) }, others);
    await expect(importKerasModel(path, undefined, target())).rejects.toThrow(
      'layer "conv" (Conv2D): weight "base/bias" is missing from the file',
    );
  });

  test('with weights alone, it is answered with what makes it importable', async () => {
    const path = join(folder, 'model.h5');
    await writeH5(path, { layer_names: ['conv'] }, { 'conv/conv/kernel:0': tensor('kernel', 2, 2, 3, 2) });
    await expect(importKerasModel(path, undefined, target())).rejects.toThrow('model.save("model.keras")');
    await writeH5(path, {}, { 'layers/conv2d/vars/0': tensor('kernel', 2, 2, 3, 2) });
    await expect(importKerasModel(path, undefined, target())).rejects.toThrow('the file has only weights');
  });

  test('with weights alone is read with the layers that a JSON file beside it describes', async () => {
    const path = join(folder, 'weights.h5');
    const own = { 'conv/conv/kernel:0': tensor('kernel', 2, 2, 3, 2), 'conv/conv/bias:0': tensor('bias', 2) };
    const last = { 'dense/dense/kernel:0': tensor('last', 24, 3), 'dense/dense/bias:0': tensor('last bias', 3) };
    await writeH5(path, { layer_names: ['conv', 'flatten', 'dense'] }, { ...own, ...last });
    await writeFile(join(folder, 'labels.json'), '["a", "b", "c"]');
    const described = JSON.stringify(sequential('model', input, conv('conv'), flatten, dense('dense', 3)));
    await writeFile(join(folder, 'model.json'), described);
    expect((await importKerasModel(path, undefined, target())).numClasses).toBe(3);
    await writeFile(join(folder, 'other.json'), described);
    await rm(target());
    await expect(importKerasModel(path, undefined, target())).rejects.toThrow('those of model.json and other.json');
  });

  test('that is no model of Keras is refused', async () => {
    const path = join(folder, 'model.h5');
    await writeH5(path, { title: 'images' }, { 'images/train': tensor('train', 2, 2) });
    await expect(importKerasModel(path, undefined, target())).rejects.toThrow('no attribute model_config');
  });
});

describe('the first layers of a model of Keras 3 say how its pixels are made', () => {
  const tensorOf = (layer: string) => ({ class_name: '__keras_tensor__', config: { keras_history: [layer, 0, 0] } });
  const call = (class_name: string, name: string, args: unknown[], config: object = {}) => ({
    class_name,
    name,
    config: { name, ...config },
    inbound_nodes: [{ args, kwargs: {} }],
  });
  const model = (...first: ReturnType<typeof call>[]) => {
    const x = first.at(-1)?.name ?? 'images';
    const layers = [
      { class_name: 'InputLayer', name: 'images', config: { batch_shape: [null, null, null, 3] }, inbound_nodes: [] },
      ...first,
      call('Conv2D', 'conv', [tensorOf(x)], { filters: 2, kernel_size: [2, 2] }),
      call('GlobalAveragePooling2D', 'means', [tensorOf('conv')]),
      call('Dense', 'dense', [tensorOf('means')], { units: 3 }),
    ];
    const config = { name: 'model', layers, input_layers: ['images', 0, 0], output_layers: ['dense', 0, 0] };
    return { class_name: 'Functional', config };
  };
  const imported = async (...first: ReturnType<typeof call>[]) => {
    const path = join(folder, 'model.h5');
    const attributes = { model_config: JSON.stringify(model(...first)), keras_version: '3.5.0' };
    await writeH5(path, attributes, {
      'model_weights/conv/conv/kernel': tensor('kernel', 2, 2, 3, 2),
      'model_weights/conv/conv/bias': tensor('bias', 2),
      'model_weights/dense/dense/kernel': tensor('last', 2, 3),
      'model_weights/dense/dense/bias': tensor('last bias', 3),
    });
    return await importKerasModel(path, first[0]?.class_name === 'Resizing' ? undefined : [6, 8], target());
  };
  const ellipsis = { class_name: '__ellipsis__', config: {} };
  const mean = { class_name: '__tensor__', config: { value: [[[[-103.9, -116.8, -123.7]]]], dtype: 'float32' } };
  const channel = (name: string, index: number) => call('GetItem', name, [tensorOf('images'), [ellipsis, index]]);
  const reverse = { class_name: '__slice__', config: { start: null, stop: null, step: -1 } };

  test.each([
    [
      'channels that are stacked in the other order',
      [
        channel('b', 2),
        channel('g', 1),
        channel('r', 0),
        call('Stack', 'flip', [[tensorOf('b'), tensorOf('g'), tensorOf('r')]], { axis: -1 }),
      ],
    ],
    ['a slice in steps of -1', [call('GetItem', 'flip', [tensorOf('images'), [ellipsis, reverse]])]],
    ['a flip of the channels', [call('Flip', 'flip', [tensorOf('images')], { axis: -1 })]],
  ])('%s, and a mean of 0..255', async (_, order) => {
    const { scalesPixels, architecture } = await imported(...order, call('Add', 'add', [tensorOf('flip'), mean]));
    expect(scalesPixels).toBe(true);
    expect(architecture.layers[1]).toMatchObject({ kind: 'normalize', shift: [-103.9, -116.8, -123.7] });
    const weights = await SafetensorsFile.open(target());
    try {
      expect([...(await weights.read('flip.weight'))]).toEqual([0, 0, 1, 0, 1, 0, 1, 0, 0]);
    } finally {
      await weights.close();
    }
  });

  test('a value that is added to itself is doubled, since TF.js reads no value twice in a layer', async () => {
    const { architecture } = await imported(call('Add', 'double', [[tensorOf('images'), tensorOf('images')]]));
    expect(architecture.layers[0]).toMatchObject({ kind: 'normalize', scale: [2, 2, 2] });
  });

  test('1 - x', async () => {
    const { architecture } = await imported(call('Subtract', 'rest', [1, tensorOf('images')]));
    expect(architecture.layers[0]).toMatchObject({ kind: 'batch_norm' });
    const weights = await SafetensorsFile.open(target());
    try {
      expect([...(await weights.read('rest.weight')), ...(await weights.read('rest.bias'))]).toEqual([
        -1, -1, -1, 1, 1, 1,
      ]);
    } finally {
      await weights.close();
    }
  });

  test.each([
    [{}, { resize_mode: 'stretch', interpolation: 'bilinear' }],
    [
      { crop_to_aspect_ratio: true, interpolation: 'bicubic' },
      { resize_mode: 'crop', interpolation: 'bicubic' },
    ],
    [
      { pad_to_aspect_ratio: true, fill_value: 114 },
      { resize_mode: 'pad', pad_color: [114, 114, 114], interpolation: 'bilinear' },
    ],
  ])('a Resizing with %j', async (options, fitting) => {
    const resizing = call('Resizing', 'resizing', [tensorOf('images')], { height: 6, width: 8, ...options });
    expect(await imported(resizing)).toMatchObject({ inputSize: [6, 8], fitting });
  });
});

describe('damaged and foreign files are refused, and leave nothing', () => {
  const refused = async (path: string, reason: string) => {
    await expect(importKerasModel(path, undefined, target())).rejects.toThrow(reason);
    expect((await readdir(folder)).filter((name) => name !== 'model')).toEqual([]);
  };

  test.each(['model.h5', 'model.keras'])('%s that is cut off', async (name) => {
    const path = join(folder, 'model');
    await copyFile(join(KERAS_FOLDER, 'small_sequential', name), path);
    await truncate(path, 20_000);
    await refused(path, 'may be damaged or cut off');
  });

  test('a dataset that claims more than the file has', async () => {
    const path = join(folder, 'model');
    const kernel = tensor('kernel', 7, 5, 3, 11);
    await writeH5(path, { model_config: JSON.stringify(nested) }, { 'model_weights/conv/kernel': kernel });
    const bytes = await readFile(path);
    const sizes = Buffer.from(new BigUint64Array([7n, 5n, 3n, 11n]).buffer);
    const at = bytes.indexOf(sizes);
    expect(at).toBeGreaterThan(0);
    for (let from = at; from >= 0; from = bytes.indexOf(sizes, from + 1)) bytes.writeBigUInt64LE(2n ** 40n, from);
    await writeFile(path, bytes);
    await refused(path, 'HDF5 file');
  });

  test('a zip with other files', async () => {
    const path = join(folder, 'model');
    await writeFile(path, await zipOf([{ name: 'a.txt', content: 'text' }]));
    await refused(path, 'the zip holds a.txt; a model of Keras holds config.json and model.weights.h5');
  });

  test('a text', async () => {
    const path = join(folder, 'model');
    await writeFile(path, 'text');
    await refused(path, 'neither a .keras file');
  });

  test('weights of more or fewer variables than the layer has', async () => {
    const path = join(folder, 'model');
    await copyFile(join(KERAS_FOLDER, 'small_sequential/model.keras'), path);
    const bytes = await readFile(path);
    // `use_bias` of the first convolution, without changing the size.
    const at = bytes.indexOf('"use_bias": true');
    const handle = await open(path, 'r+');
    await handle.write('"use_bias":false', at);
    await handle.close();
    await expect(importKerasModel(path, undefined, target())).rejects.toThrow('has 2 variables, not 1');
  });
});
