import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PytorchCheckpoint, pytorchToSafetensors } from '../../../../src/convert/formats/pytorch/checkpoint.ts';
import type { WeightsChoice } from '../../../../src/convert/formats/pytorch/state-dict.ts';
import { SafetensorsFile } from '../../../../src/convert/formats/safetensors/reader.ts';
import {
  persistent,
  type StorageFixture,
  storage,
  streamForm,
  tensor,
  type ZipOptions,
  zipForm,
} from './checkpoints.ts';
import { Call, Global, List, pickle, Raw } from './pickler.ts';

let folder: string;
const files: PytorchCheckpoint[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-pytorch-'));
});
afterEach(async () => {
  for (const file of files.splice(0)) await file.close();
  await rm(folder, { recursive: true });
});

const count = (length: number) => Float32Array.from({ length }, (_, index) => index);
const floats = storage('FloatStorage', '0', count(6));
const dict = (entries: Readonly<Record<string, unknown>>) => new Map<string, unknown>(Object.entries(entries));
const state = dict({ weight: tensor(floats, [2, 3]) });

/**
 * Written by PyTorch 2.4: `base = torch.arange(24.)`, views of it, a parameter, doubles, an integer, an empty tensor.
 */
describe.each(['views.zip.pth', 'views.stream.pth'])('a file that PyTorch wrote (%s)', (name) => {
  const path = fileURLToPath(new URL(name, import.meta.url));

  test('has its tensors, shapes and types', async () => {
    const file = await PytorchCheckpoint.open(path);
    const found = [...file.entries].map(([key, { dtype, shape }]) => [key, dtype, shape]);
    expect(found).toEqual([
      ['permuted', 'F32', [4, 2, 3]],
      ['slice', 'F32', [4]],
      ['transposed', 'F64', [6, 4]],
      ['parameter', 'F32', [12]],
      ['counter', 'I64', []],
      ['empty', 'F32', [0, 3]],
      ['half', 'F16', [3]],
      ['brain', 'BF16', [3]],
    ]);
    await file.close();
  });

  test('has the values of views in row-major order', async () => {
    const file = await PytorchCheckpoint.open(path);
    expect([...(await file.read('permuted'))].slice(0, 7)).toEqual([0, 4, 8, 12, 16, 20, 1]);
    expect(await file.read('slice')).toEqual(Float32Array.of(5, 6, 7, 8));
    expect([...(await file.read('transposed'))].slice(0, 5)).toEqual([0, 6, 12, 18, 1]);
    expect((await file.read('parameter'))[3]).toBe(6);
    expect(await file.read('empty')).toEqual(new Float32Array(0));
    expect(await file.read('half')).toEqual(Float32Array.of(1, -2, 0.5));
    expect(await file.read('brain')).toEqual(Float32Array.of(1, -2, 0.5));
    await expect(file.read('counter')).rejects.toThrow('tensor "counter" has type I64');
    await file.close();
  });

  test('can be converted to safetensors with the same values and types', async () => {
    await pytorchToSafetensors(path, join(folder, 'views.safetensors'));
    const file = await SafetensorsFile.open(join(folder, 'views.safetensors'));
    expect(file.entries.get('transposed')).toMatchObject({ dtype: 'F64', shape: [6, 4] });
    expect(Buffer.from(await file.readBytes('counter')).readBigInt64LE()).toBe(7n);
    expect((await file.read('permuted'))[1]).toBe(4);
    await file.close();
  });
});

describe.each<[string, (object: unknown, storages: readonly StorageFixture[]) => Promise<Buffer>]>([
  ['the zip form', zipForm],
  ['the stream form', async (object, storages) => streamForm(object, storages)],
])('in %s', (_, form) => {
  const open = async (object: unknown, storages = [floats], choice?: WeightsChoice) =>
    await opened(await form(object, storages), choice);

  test.each<[string, unknown]>([
    ['state_dict', dict({ epoch: 3, lr: 0.1, state_dict: state })],
    ['model', dict({ optimizer: dict({ lr: 0.1 }), model: state })],
    ['model_state_dict', dict({ args: new List('a', true, null), model_state_dict: state })],
    ['one inside another', dict({ model: dict({ state_dict: state }) })],
    ['beside a tensor', dict({ best_acc1: tensor(floats, [], 2), epoch: 3, state_dict: state })],
    ['under any key', dict({ loss: tensor(floats, [1]), generator: state })],
    ['beside the state of an optimizer', dict({ optimizer_state: dict({ m: tensor(floats, [6]) }), net: state })],
  ])('the network is found: %s', async (_, object) => {
    const file = await open(object);
    expect([...file.names()]).toEqual(['weight']);
    expect(await file.read('weight')).toEqual(count(6));
  });

  test.each<[string, unknown]>([
    ['argparse', new Call(new Global('argparse', 'Namespace'), [], dict({ arch: 'resnet18', lr: 0.1 }))],
    ['a defaultdict', new Call(new Global('collections', 'defaultdict'), [new Global('__builtin__', 'list')])],
    ['a set', new Call(new Global('__builtin__', 'set'), [new List('a', 'b')])],
    ['a Counter', new Call(new Global('collections', 'Counter'), [dict({ a: 2 })])],
    ['a path', new Call(new Global('pathlib', 'PosixPath'), ['/', 'runs'])],
    ['a path of Python 3.13', new Call(new Global('pathlib._local', 'WindowsPath'), ['runs'])],
    ['a number of numpy', numpyFloat('numpy.core.multiarray')],
    ['a number of numpy 2', numpyFloat('numpy._core.multiarray')],
    ['a device', new Call(new Global('torch', 'device'), ['cuda', 0])],
  ])('values that trainers save beside the network are read: %s', async (_, value) => {
    const file = await open(dict({ args: value, state_dict: state }));
    expect([...file.names()]).toEqual(['weight']);
  });

  describe.each(['state_dict_ema', 'model_ema', 'ema_state_dict'])('averaged weights under %s', (key) => {
    const both = dict({
      state_dict: dict({ raw: tensor(floats, [6]) }),
      [key]: dict({ averaged: tensor(floats, [6]) }),
    });

    test('are taken before the others', async () => {
      const file = await open(both);
      expect([...file.names()]).toEqual(['averaged']);
      expect(file.origin).toEqual({ path: key, other: 'state_dict', taken: 'ema' });
    });

    test('are not taken when the others are wanted', async () => {
      const file = await open(both, [floats], 'raw');
      expect([...file.names()]).toEqual(['raw']);
      expect(file.origin).toEqual({ path: 'state_dict', other: key, taken: 'raw' });
    });
  });

  test.each(['ema_model', 'model_ema', 'teacher'])(
    'averaged weights in the module %s beside the network',
    async (module) => {
      const both = dict({
        state_dict: dict({
          'model.weight': tensor(floats, [6]),
          [`${module}.weight`]: tensor(floats, [2, 3]),
          step: 3,
        }),
      });
      const averaged = await open(both);
      expect(averaged.shape('weight')).toEqual([2, 3]);
      expect(averaged.origin).toEqual({ path: `state_dict.${module}`, other: 'state_dict', taken: 'ema' });
      expect([...(await open(both, [floats], 'raw')).names()]).toEqual(['model.weight']);
    },
  );

  test('a teacher of another size is no average', async () => {
    const other = dict({ 'teacher.weight': tensor(floats, [6]), 'student.weight': tensor(floats, [2]) });
    const file = await open(other);
    expect([...file.names()]).toEqual(['teacher.weight', 'student.weight']);
  });

  test('what trainers save beside the network is given as a document', async () => {
    const dtype = (name: string) => new Call(new Global('numpy', 'dtype'), [name, false, true], [3, '<', null]);
    const array = (type: string, values: unknown) =>
      new Call(
        new Global('numpy._core.multiarray', '_reconstruct'),
        [new Global('numpy', 'ndarray'), [0], 'b'],
        [1, [2], dtype(type), false, values],
      );
    // Four bytes a character, as the pickler of protocol 2 writes bytes.
    const texts = new Call(new Global('_codecs', 'encode'), ['a\0\0\0n\0\0\0c\0\0\0\0\0\0\0', 'latin1']);
    const file = await open(
      dict({
        state_dict: state,
        epoch: 3,
        hyper_parameters: dict({ class_to_idx: dict({ ant: 0, bee: 1 }), classes: ['ant', 'bee'] }),
        names: array('U2', texts),
        objects: array('O8', new List('ant', 'bee')),
      }),
    );
    expect(file.document).toEqual({
      epoch: 3,
      state_dict: {},
      hyper_parameters: { class_to_idx: { ant: 0, bee: 1 }, classes: ['ant', 'bee'] },
      names: ['an', 'c'],
      objects: ['ant', 'bee'],
    });
  });

  test('averaged weights that do not exist are an error', async () => {
    await expect(open(dict({ net: state }), [floats], 'ema')).rejects.toThrow('has no averaged weights; it has net');
  });

  test('tensors may share a storage', async () => {
    const file = await open(dict({ a: tensor(floats, [3]), b: tensor(floats, [3], 3), c: tensor(floats, [6]) }));
    expect(await file.read('b')).toEqual(Float32Array.of(3, 4, 5));
    expect(await file.read('c')).toEqual(count(6));
  });

  test('files of Python 2 are read', async () => {
    // BINSTRING for names, an OrderedDict with its items, and Parameter as a class.
    const name = new Raw([0x55, 1, 'w'.charCodeAt(0)]);
    const parameter = new Call(new Global('torch.nn.parameter', 'Parameter'), [tensor(floats, [6])], [true, null]);
    const file = await open(
      new Call(new Global('collections', 'OrderedDict'), [new List(new List(name, parameter))], dict({ _metadata: 1 })),
    );
    expect(await file.read('w')).toEqual(count(6));
  });

  test('a tensor of the first PyTorch releases is read', async () => {
    const legacy = new Call(new Global('torch', 'FloatTensor'), [], [persistent(floats), 2, [2], [3]]);
    expect(await (await open(dict({ w: legacy }))).read('w')).toEqual(Float32Array.of(2, 5));
  });

  test.each<[string, unknown, string, StorageFixture[]?]>([
    ['a function', new Call(new Global('os', 'system'), ['true']), '"os.system"'],
    ['a builtin', new Call(new Global('builtins', 'eval'), ['1']), '"builtins.eval"'],
    [
      'a model',
      dict({ model: new Call(new Global('torchvision.models', 'ResNet'), []) }),
      '"torchvision.models.ResNet"',
    ],
    ['an object of a library', dict({ args: new Global('yacs.config', 'CfgNode') }), 'save model.state_dict() alone'],
    ['the name of a JavaScript property', new Global('torch', 'constructorStorage'), '"torch.constructorStorage"'],
    [
      'a storage as a function',
      new Call(new Global('torch', 'FloatStorage'), [3]),
      'the file calls "torch.FloatStorage"',
    ],
    ['a call of a text', new Call('os', []), 'a value that is not a function'],
    ['a state of a text', new Raw([0x4e, 0x4e, 0x62]), 'neither a tensor nor a dict'],
    ['a list instead of a dict', new List(1), 'the checkpoint is not a dict of tensors', []],
    ['a dict without tensors', dict({ epoch: 3, loss: 0.5 }), 'its keys are [epoch, loss]', []],
    ['a tensor beyond its storage', dict({ w: tensor(floats, [2, 4]) }), 'is not within its storage of 6 elements'],
    ['an offset beyond its storage', dict({ w: tensor(floats, [3], 4) }), 'offset 4'],
    ['a stride beyond its storage', dict({ w: tensor(floats, [2], 0, [6]) }), 'strides [6]'],
    ['a tensor that repeats its values', dict({ w: tensor(floats, [1e9], 0, [0]) }), 'shape [1000000000]'],
    ['a negative stride', dict({ w: tensor(floats, [2], 3, [-1]) }), 'not integers of at least 0'],
    [
      'a size that is not a number',
      dict({ w: tensor(floats, ['6' as unknown as number]) }),
      'not integers of at least 0',
    ],
    ['shape and strides of different ranks', dict({ w: tensor(floats, [2, 3], 0, [1]) }), 'strides [1]'],
    [
      'a tensor without a storage',
      new Call(new Global('torch._utils', '_rebuild_tensor_v2'), [1, 0, [], []]),
      'storage',
    ],
    [
      'many large tensors out of one small storage',
      dict(Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`w${i}`, tensor(big, [1000])]))),
      'but the file has only',
      [big],
    ],
    ['an unsupported opcode', new Raw([0x96]), 'the pickle has opcode 150'],
    ['a recall of an object that was not memoized', new Raw(['h'.charCodeAt(0), 9]), 'recalls object 9'],
    ['a list without a mark', new Raw(['e'.charCodeAt(0)]), 'a mark that it has not set'],
    ['an empty stack', new Raw(['0'.charCodeAt(0)]), 'an empty stack'],
    ['deep nesting', new Raw([...new Array(101).fill('('.charCodeAt(0))]), 'more than 100 levels deep'],
    [
      'an object whose text would be endless',
      new Raw([...twice(80), 'Q'.charCodeAt(0)]),
      'refers to a list outside the pickle',
    ],
    ['millions of steps', new Raw(new Uint8Array(2_000_001).fill('N'.charCodeAt(0))), 'more than 2000000 steps'],
    ['a long text', new Raw([0x58, 0xff, 0xff, 0xff, 0x7f]), 'at most 1000000 are allowed'],
    ['a long integer', new Raw([0x8a, 255]), 'an integer of 255 bytes'],
    ['text that is not UTF-8', new Raw([0x58, 1, 0, 0, 0, 0xff]), 'not UTF-8'],
  ])('%s is refused', async (_, object, reason, storages = [floats]) => {
    await expect(open(object, storages)).rejects.toThrow(reason);
  });
});

/** Opcodes of a tuple that has the same tuple twice, and so on: the size of its text would double each time. */
function twice(times: number): number[] {
  const [MEMOIZE, GET, TUPLE2] = [0x94, 'h'.charCodeAt(0), 0x86];
  const levels = Array.from({ length: times }, (_, level) => [MEMOIZE, GET, level, TUPLE2]);
  return [')'.charCodeAt(0), ...levels.flat(), 0x94, GET, times, TUPLE2];
}

const big = storage('FloatStorage', '1', count(1000));

describe('the zip form', () => {
  const open = async (storages: readonly StorageFixture[], options: ZipOptions = {}, object: unknown = state) =>
    await opened(await zipForm(object, storages, options));

  test('may have any folder name', async () => {
    for (const prefix of ['', 'resnet18-f37072fd/'])
      expect((await open([floats], { prefix })).shape('weight')).toEqual([2, 3]);
  });

  test('is refused when it is damaged or of another kind', async () => {
    await expect(open([])).rejects.toThrow('"archive/data/0" is missing');
    await expect(open([floats], { compress: true })).rejects.toThrow('is compressed');
    await expect(open([floats], { byteOrder: 'big' })).rejects.toThrow('the byte order is "big"');
    await expect(open([floats], { more: { 'constants.pkl': pickle(1) } })).rejects.toThrow('TorchScript');
    await expect(open([storage('FloatStorage', '0', count(5))])).rejects.toThrow('"archive/data/0" has 20 bytes');
    await expect(opened((await zipForm(state, [floats])).subarray(0, 300))).rejects.toThrow('may be cut off');
    const plain = await zipForm(state, [floats], { prefix: 'a/b/' });
    await expect(opened(plain)).rejects.toThrow('the zip has 0 files named data.pkl');
  });
});

describe('the stream form', () => {
  const whole = streamForm(state, [floats]);

  test('is refused when it is damaged or of another kind', async () => {
    await expect(opened(whole.subarray(0, -1))).rejects.toThrow('inside storage "0"');
    await expect(opened(whole.subarray(0, 60))).rejects.toThrow('the pickle ends before its STOP');
    await expect(opened(streamForm(state, []))).rejects.toThrow('storage "0" is missing');
    await expect(opened(streamForm(state, [floats, big]))).rejects.toThrow('no tensor uses storage "1"');
    await expect(opened(streamForm(state, [storage('FloatStorage', '0', count(5))]))).rejects.toThrow('has 5 elements');
    await expect(opened(streamForm(state, [floats], false))).rejects.toThrow('little-endian');
    await expect(opened(Buffer.from('{}'))).rejects.toThrow('not a PyTorch checkpoint');
    await expect(opened(Buffer.alloc(0))).rejects.toThrow('not a PyTorch checkpoint');
  });

  test('names may need more than the first megabyte', async () => {
    const long = 'x'.repeat(900_000);
    const object = new Map<string, unknown>([['epoch', long], ['note', `${long}y`], ...state]);
    expect(await (await opened(streamForm(object, [floats]))).read('weight')).toEqual(count(6));
  });
});

/** A float64 of numpy: its type, whose state has the byte order, and its bytes. */
function numpyFloat(module: string): Call {
  const type = new Call(new Global('numpy', 'dtype'), ['f8', false, true], [3, '<', null, null, null, -1, -1, 0]);
  const bytes = new Call(new Global('_codecs', 'encode'), ['\x00\x00\x00\x00\x00\x00\x01@', 'latin1']);
  return new Call(new Global(module, 'scalar'), [type, bytes]);
}

async function opened(bytes: Uint8Array, choice?: WeightsChoice): Promise<PytorchCheckpoint> {
  const path = join(folder, 'checkpoint.pth');
  await writeFile(path, bytes);
  const file = await PytorchCheckpoint.open(path, choice);
  files.push(file);
  return file;
}
