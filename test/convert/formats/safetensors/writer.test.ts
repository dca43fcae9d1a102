import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SafetensorsFile } from '../../../../src/convert/formats/safetensors/reader.ts';
import { float32Tensor, storedTensors, writeSafetensors } from '../../../../src/convert/formats/safetensors/writer.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-safetensors-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('a written file can be read', async () => {
  const path = join(folder, 'a.safetensors');
  const [a, b] = [Float32Array.of(1, 2, 3, 4), Float32Array.of(-1)];
  await writeSafetensors(path, [float32Tensor('a', [2, 2], a), float32Tensor('b', [1], b)], { epochs: '3' });

  const file = await SafetensorsFile.open(path);
  expect(file.metadata).toEqual({ epochs: '3' });
  expect([...file.names()]).toEqual(['a', 'b']);
  expect(file.shape('a')).toEqual([2, 2]);
  expect(await file.read('a')).toEqual(a);
  expect(await file.read('b')).toEqual(b);
  await file.close();
});

test('a copied tensor keeps its type and its bytes', async () => {
  const source = await SafetensorsFile.open('zoo/resnet18_slim.tiny200/weights.safetensors');
  const path = join(folder, 'copy.safetensors');
  await writeSafetensors(path, storedTensors(source, ['conv1.weight']));
  const copy = await SafetensorsFile.open(path);
  expect(copy.entries.get('conv1.weight')?.dtype).toBe('F16');
  expect(await copy.readBytes('conv1.weight')).toEqual(await source.readBytes('conv1.weight'));
  await source.close();
  await copy.close();
});

test('the data begins at a multiple of eight, so that the file can be mapped', async () => {
  const path = join(folder, 'a.safetensors');
  await writeSafetensors(path, [float32Tensor('odd', [1], Float32Array.of(1))]);
  const headerLength = (await readFile(path)).readBigUInt64LE();
  expect(headerLength % 8n).toBe(0n);
});

test('an existing file is never overwritten', async () => {
  const path = join(folder, 'a.safetensors');
  await writeSafetensors(path, []);
  await expect(writeSafetensors(path, [])).rejects.toThrow('EEXIST');
});

test('values that do not fill their shape and duplicate names are errors', async () => {
  expect(() => float32Tensor('a', [3], Float32Array.of(1))).toThrow('cannot hold 1 values');
  const twice = [float32Tensor('a', [1], Float32Array.of(1)), float32Tensor('a', [1], Float32Array.of(1))];
  await expect(writeSafetensors(join(folder, 'b'), twice)).rejects.toThrow('two tensors are named "a"');
});
