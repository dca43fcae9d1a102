import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findModel } from '../../../src/acquire/import/find-model.ts';
import { zipOf } from '../../finetuning/dataset/zip-fixtures.ts';
import { tarOf, tgzDeclaring, tgzOf } from './archives.ts';

let folder: string;
let work: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-find-model-'));
  work = join(folder, 'work');
  await mkdir(work);
});
afterEach(() => rm(folder, { recursive: true }));

const put = async (name: string, content: Uint8Array | string = '') => {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  return path;
};

test.each([
  ['a.safetensors', 'checkpoint'],
  ['a.pth', 'checkpoint'],
  ['a.pt', 'checkpoint'],
  ['model_best.pth.tar', 'checkpoint'],
  ['pytorch_model.bin', 'checkpoint'],
  ['model.json', 'tfjs'],
  ['model.min.js', 'tfjs'],
])('the format is recognized: %s', async (name, kind) => {
  const path = await put(name);
  expect(await findModel(path, undefined, work)).toEqual({ path, kind });
});

test('a folder may hold one model and its other files', async () => {
  const path = await put('mine/web/model.json');
  await put('mine/web/group1-shard1of1.bin');
  await put('mine/web/package.json');
  await put('mine/labels.json');
  expect(await findModel(join(folder, 'mine'), undefined, work)).toEqual({ path, kind: 'tfjs' });
});

test('layers of Keras in a JSON file are imported with the weights beside them', async () => {
  const json = await put('mine/model.json', '{"class_name": "Sequential", "config": {"layers": []}}');
  await expect(findModel(json, undefined, work)).rejects.toThrow('put the .h5 file of model.save_weights() beside it');
  const weights = { path: await put('mine/model.weights.h5'), kind: 'keras' };
  expect(await findModel(json, undefined, work)).toEqual(weights);
  expect(await findModel(join(folder, 'mine'), undefined, work)).toEqual(weights);
  await put('mine/best.h5');
  await expect(findModel(json, undefined, work)).rejects.toThrow('best.h5 or model.weights.h5');
});

describe('an archive is unpacked', () => {
  const files = { 'package/dist/a/model.json': '{"a":1}', 'package/dist/b/model.json': '{"b":1}', 'package/x.md': 'x' };

  test.each<[string, () => Promise<Buffer> | Buffer]>([
    ['a.tgz', () => tgzOf(files)],
    ['a.tar.gz', () => tgzOf({ ...files, '2:package/link': '', '5:package/folder': '' })],
    ['a.zip', () => zipOf(Object.entries(files).map(([name, content]) => ({ name, content })))],
    ['a.whl', () => zipOf(Object.entries(files).map(([name, content]) => ({ name, content })))],
  ])('%s', async (name, make) => {
    const path = await put(name, await make());
    const { path: found } = await findModel(path, 'dist/b', work);
    expect(await readFile(found, 'utf8')).toBe('{"b":1}');
    expect(await readdir(join(work, 'package'))).toEqual(['dist', 'x.md']);
    await rm(work, { recursive: true });
    await mkdir(work);
    await expect(findModel(path, undefined, work)).rejects.toThrow(
      'choose one with --inside: package/dist/a/model.json, package/dist/b/model.json',
    );
  });

  test('with names longer than a tar has room for', async () => {
    const long = `${'d/'.repeat(60)}model.json`;
    const record = `path=${long}\n`;
    const pax = `${record.length + 4} ${record}`;
    for (const [index, entries] of [
      { 'x:paxheader': pax, short: '{}' },
      { 'L:././@LongLink': `${long}\0`, short: '{}' },
    ].entries()) {
      const target = join(work, `${index}`);
      await mkdir(target);
      const path = await put('long.tgz', tgzOf(entries));
      // Deeper than a model is looked for; the file is there all the same.
      await expect(findModel(path, undefined, target)).rejects.toThrow('holds no model');
      expect(await readFile(join(target, long), 'utf8')).toBe('{}');
    }
  });

  test.each<[string, () => Promise<Buffer> | Buffer, string]>([
    ['up.tgz', () => tgzOf({ '../model.json': '{}' }), 'leads out of it'],
    ['root.tgz', () => tgzOf({ '/etc/model.json': '{}' }), 'leads out of it'],
    ['huge.tgz', () => tgzDeclaring(8_500_000_000), 'holds more than 100000 files or 8000000000 bytes'],
    ['cut.tgz', () => gzipSync(tarOf({ 'model.json': 'x'.repeat(2000) }).subarray(0, 1000)), 'Unexpected end of data'],
    ['none.tgz', () => gzipSync(Buffer.alloc(2000, 'x')), 'Invalid tar header'],
    ['plain.tgz', () => Buffer.from('text'), 'it is neither a zip nor a tar'],
    ['linked.tgz', () => tgzOf({ '1:model.json': '' }), 'holds no model'],
    ['none.zip', () => Buffer.from('PK\x03\x04'), 'central directory'],
  ])('%s is refused', async (name, make, reason) => {
    await expect(findModel(await put(name, await make()), undefined, work)).rejects.toThrow(reason);
    expect(await readdir(folder)).toEqual(expect.arrayContaining([name, 'work']));
  });
});

describe('what a file is, is seen by its bytes', () => {
  const header = Buffer.from('{"w":{}}');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));

  test.each([
    ['weights', () => Buffer.concat([length, header]), 'checkpoint'],
    ['WEIGHTS.SAFETENSORS', () => Buffer.concat([length, header]), 'checkpoint'],
    ['net.zip', () => zipOf([{ name: 'archive/data.pkl', content: 'x' }]), 'checkpoint'],
    ['net.onnx', () => Buffer.from([0x80, 0x02, 0x8a, 0x0a]), 'checkpoint'],
    ['net', () => Buffer.from([0x08, 0x08, 0x12, 0x07]), 'onnx'],
    ['net.Onnx', () => Buffer.from('anything'), 'onnx'],
    ['network.zip', () => zipOf([{ name: 'model.weights.h5', content: 'x' }]), 'keras'],
    ['graph', () => Buffer.from('{"format": "layers-model", "modelTopology": {}}'), 'tfjs'],
    ['model.zip', () => zipOf(['metadata.json', 'model.json'].map((name) => ({ name, content: '{}' }))), 'tfjs'],
    ['PACKED.ZIP', () => zipOf([{ name: 'deep/MODEL.ONNX', content: 'x' }]), 'onnx'],
    ['packed', () => tgzOf({ 'model.onnx': 'x' }), 'onnx'],
    ['packed.bin', () => tarOf({ 'model.onnx': 'x' }), 'onnx'],
  ])('%s', async (name, make, kind) => {
    expect(await findModel(await put(name, await make()), undefined, work)).toMatchObject({ kind });
  });

  test.each([
    ['photo', '\xff\xd8\xff', 'it is an image'],
    ['net.rar', 'Rar!\x1a\x07', 'it is a RAR archive'],
  ])('%s is refused with what it is', async (name, content, words) => {
    const path = await put(name, Buffer.from(content, 'latin1'));
    await expect(findModel(path, undefined, work)).rejects.toThrow(words);
  });
});

test('a file that is no model or does not exist is refused', async () => {
  await expect(findModel(join(folder, 'none.pth'), undefined, work)).rejects.toThrow('none.pth does not exist');
  await expect(findModel(await put('a.mat'), undefined, work)).rejects.toThrow('cannot be imported: give a folder');
  await put('empty/readme.md');
  await expect(findModel(join(folder, 'empty'), undefined, work)).rejects.toThrow('empty holds no model');
});

describe('what is no model of a supported kind is answered with the command that makes it importable', () => {
  test.each<[string, Record<string, string>, string, string]>([
    ['a SavedModel', { 'saved/saved_model.pb': 'graph' }, 'saved', 'tf2onnx.convert --saved-model'],
    ['a SavedModel in a folder', { 'export/1/saved_model.pb': 'graph' }, 'export', 'export/1 --output model.onnx'],
    ['a TensorFlow Lite model', { 'small.bin': '\x1c\0\0\0TFL3' }, 'small.bin', 'tf2onnx.convert --tflite'],
    ['a frozen graph', { 'graph.pb': 'graph' }, 'graph.pb', '--graphdef'],
    ['a Core ML package', { 'a.mlpackage/Manifest.json': '{}' }, 'a.mlpackage', 'torch.onnx.export'],
    ['a Core ML model', { 'a.mlmodel': 'x' }, 'a.mlmodel', 'torch.onnx.export'],
    [
      'a pointer of Git LFS',
      { 'a.safetensors': 'version https://git-lfs.github.com/spec/v1\noid' },
      'a.safetensors',
      'lfs pull --include a.safetensors',
    ],
    [
      'a pointer of Git LFS in a folder',
      { 'clone/a.onnx': 'version https://git-lfs.github.com/spec/v1\noid' },
      'clone',
      'lfs pull --include a.onnx',
    ],
    ['a web page', { 'a.pth': '<!DOCTYPE html>' }, 'a.pth', 'is a web page'],
    ['a checkpoint of TensorFlow', { 'model.ckpt-9.index': 'x' }, 'model.ckpt-9.index', 'model.save("model.keras")'],
  ])('%s', async (_, contents, path, reason) => {
    for (const [name, text] of Object.entries(contents)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text, 'latin1');
    }
    await expect(findModel(join(folder, path), undefined, work)).rejects.toThrow(reason);
  });
});

test.each([
  ['keras', '\x89HDF\r\n\x1a\n'],
  ['checkpoint', '\x80\x02\x8a'],
  ['checkpoint', '\x40\0\0\0\0\0\0\0{"a"'],
  ['onnx', '\x08\x08\x12\x07pytorch'],
])('a file with another ending is known by its bytes: %s', async (kind, start) => {
  const path = join(folder, 'file.other');
  await writeFile(path, start, 'latin1');
  expect((await findModel(path, undefined, work)).kind).toBe(kind);
});
