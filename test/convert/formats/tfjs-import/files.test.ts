import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTfjsFiles } from '../../../../src/convert/formats/tfjs-import/files.ts';
import { TfjsWeights } from '../../../../src/convert/formats/tfjs-import/weights.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-tfjs-files-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('shards are beside model.json, and a weight may continue in the next one', async () => {
  await mkdir(join(folder, 'parts'));
  const bytes = Buffer.from(Float32Array.of(1, 2, 3).buffer);
  await writeFile(join(folder, 'parts/a.bin'), bytes.subarray(0, 6));
  await writeFile(join(folder, 'b.bin'), bytes.subarray(6));
  const weights = await opened([{ paths: ['parts/a.bin', 'b.bin'], weights: [entry('x', [2]), entry('y', [1])] }]);
  expect(await weights.read('x')).toEqual(Float32Array.of(1, 2));
  expect(await weights.read('y')).toEqual(Float32Array.of(3));
});

test('quantized weights are dequantized as in TF.js: q * scale + min', async () => {
  const shard = Buffer.concat([Buffer.of(0, 10), Buffer.from(Uint16Array.of(1, 65535).buffer), Buffer.of(0, 0x3c)]);
  await writeFile(join(folder, 'q.bin'), shard);
  const weights = await opened([
    {
      paths: ['q.bin'],
      weights: [
        { ...entry('a', [2]), quantization: { dtype: 'uint8', scale: 0.5, min: -1, original_dtype: 'float32' } },
        { ...entry('b', [2]), quantization: { dtype: 'uint16', scale: 2, min: 3 } },
        { ...entry('c', [1]), quantization: { dtype: 'float16' } },
      ],
    },
  ]);
  expect(await weights.read('a')).toEqual(Float32Array.of(-1, 4));
  expect(await weights.read('b')).toEqual(Float32Array.of(5, 131_073));
  expect(await weights.read('c')).toEqual(Float32Array.of(1));
});

test('a model in JavaScript modules is read', async () => {
  await writeFile(join(folder, 'model.min.js'), 'o.exports={modelTopology:{},weightsManifest:[]}');
  await writeFile(join(folder, 'shard1of1.min.js'), 'o.exports="AACAPw=="');
  const files = await openTfjsFiles(join(folder, 'model.min.js'));
  expect(files.model).toEqual({ modelTopology: {}, weightsManifest: [] });
  const shard = await files.openShard('shard1of1');
  expect(await shard.read(0, 4)).toEqual(Buffer.from(Float32Array.of(1).buffer));
});

test.each([
  ['../../etc/passwd', 'leads out of the folder of the model'],
  ['/etc/passwd', 'leads out of the folder of the model'],
  ['a/../../b', 'leads out of the folder of the model'],
  ['none.bin', 'none.bin is missing'],
])('the shard "%s" is refused', async (path, reason) => {
  await expect(opened([{ paths: [path], weights: [] }])).rejects.toThrow(reason);
});

test('the error for a weight beyond its shards names it', async () => {
  await writeFile(join(folder, 'a.bin'), Buffer.alloc(4));
  await expect(opened([{ paths: ['a.bin'], weights: [entry('x', [2])] }])).rejects.toThrow(
    'weight "x" ends at byte 8 of its shards, which have 4',
  );
  await expect(opened([{ paths: ['a.bin'], weights: [{ ...entry('x', [1]), dtype: 'complex64' }] }])).rejects.toThrow(
    'weight "x" has type complex64',
  );
});

test('a model.json that is not valid is refused', async () => {
  await writeFile(join(folder, 'model.json'), '{');
  await expect(openTfjsFiles(join(folder, 'model.json'))).rejects.toThrow('is not JSON');
});

function entry(name: string, shape: readonly number[]) {
  return { name, shape, dtype: 'float32' };
}

async function opened(weightsManifest: object[]): Promise<TfjsWeights> {
  const path = join(folder, 'model.json');
  await writeFile(path, JSON.stringify({ weightsManifest }));
  const files = await openTfjsFiles(path);
  return await TfjsWeights.open(weightsManifest, files.openShard);
}
