import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stream } from '../../scripts/generated-tensors.ts';
import { elementCount } from '../../src/common/tensor.ts';
import { readConversion, verifyConversion } from '../../src/convert/conversion.ts';
import { conversionKey, converterDigest } from '../../src/convert/conversion-key.ts';
import { type ConversionProgress, convertModel } from '../../src/convert/convert-model.ts';
import { float32Tensor, writeSafetensors } from '../../src/convert/formats/safetensors/writer.ts';

let folder: string;
let outDir: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-convert-'));
  outDir = join(folder, 'cache', 'model');
});
afterEach(() => rm(folder, { recursive: true }));

describe('a conversion', () => {
  test('writes a folder with both formats and a record', async () => {
    const conversion = await convertModel(await tinySource(), outDir);
    expect(conversion).toMatchObject({
      inputSize: [8, 10],
      numClasses: 3,
      featureSize: 4,
      activationShape: [8, 10, 4],
      onnx: { path: join(outDir, 'model.onnx') },
      tfjs: { path: join(outDir, 'tfjs', 'model.json') },
    });
    expect((await readdir(outDir)).sort()).toEqual(['conversion.json', 'explanation.onnx', 'model.onnx', 'tfjs']);
    expect((await readFile(conversion.onnx.path)).length).toBe(conversion.onnx.size);
    expect(await readConversion(outDir)).toEqual(conversion);
  });

  test('is reproducible', async () => {
    const source = await tinySource();
    const [first, second] = [await convertModel(source, outDir), await convertModel(source, join(folder, 'again'))];
    expect(second.onnx.sha256).toBe(first.onnx.sha256);
    expect(second.tfjs?.sha256).toBe(first.tfjs?.sha256);
  });

  test('reports progress', async () => {
    const seen: ConversionProgress[] = [];
    await convertModel(await tinySource(), outDir, (progress) => seen.push(progress));
    expect(seen.map(({ format }) => format)).toContain('tfjs');
    expect(seen.filter(({ format }) => format === 'onnx').at(-1)?.fraction).toBe(1);
    expect(seen.at(-1)).toEqual({ format: 'tfjs', fraction: 1 });
  });

  test('removes everything when it fails', async () => {
    await expect(convertModel({ ...(await tinySource()), numClasses: 4 }, outDir)).rejects.toThrow(
      'classifier.0.weight',
    );
    const broken = await tinySource();
    await truncate(broken.weightsPath, 300);
    await expect(convertModel(broken, outDir)).rejects.toThrow('the file has only 300');
    expect(await readdir(folder)).toEqual(['tiny.safetensors']);
  });

  test('replaces a damaged conversion, but not a sound one', async () => {
    const source = await tinySource();
    await mkdir(outDir, { recursive: true });
    await writeFile(join(outDir, 'conversion.json'), '');
    await convertModel(source, outDir);
    await writeFile(join(outDir, 'mark'), '');
    await convertModel(source, outDir);
    expect(await readdir(outDir)).toContain('mark');
    expect(await readdir(join(folder, 'cache'))).toEqual(['model']);
  });

  test('keeps one folder when two run at the same time', async () => {
    const source = await tinySource();
    const [first, second] = await Promise.all([convertModel(source, outDir), convertModel(source, outDir)]);
    expect(second).toEqual(first);
    expect(await readdir(join(folder, 'cache'))).toEqual(['model']);
  });
});

describe('the verification of a conversion', () => {
  const files = ['model.onnx', 'explanation.onnx', join('tfjs', 'model.json'), join('tfjs', 'group1-shard1of1.bin')];

  test.each(files)('finds one flipped bit in %s, and the conversion is repeated', async (file) => {
    const source = await tinySource();
    const conversion = await convertModel(source, outDir);
    expect(await verifyConversion(outDir)).toEqual(conversion);
    const path = join(outDir, file);
    const sound = await readFile(path);
    const damaged = Buffer.from(sound);
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 1;
    await writeFile(path, damaged);
    expect(await verifyConversion(outDir)).toBeUndefined();
    expect(await convertModel(source, outDir)).toEqual(conversion);
    expect(await readFile(path)).toEqual(sound);
    expect(await readdir(join(folder, 'cache'))).toEqual(['model']);
  });
});

describe('a cached conversion is ignored', () => {
  test('when there is none', async () => {
    expect(await readConversion(outDir)).toBeUndefined();
  });

  test('when a file is missing or cut off', async () => {
    const { onnx } = await convertModel(await tinySource(), outDir);
    await truncate(onnx.path, 10);
    expect(await readConversion(outDir)).toBeUndefined();
    await rm(onnx.path);
    expect(await readConversion(outDir)).toBeUndefined();
  });

  test('when its record is damaged', async () => {
    await convertModel(await tinySource(), outDir);
    const path = join(outDir, 'conversion.json');
    const record = await readFile(path, 'utf8');
    for (const damaged of ['', '{"onnx":', record.replace('"num_classes": 3', '"num_classes": 2')]) {
      await writeFile(path, damaged);
      expect(await readConversion(outDir)).toBeUndefined();
    }
  });
});

test('the key of a conversion depends on everything that the result depends on', () => {
  const source = { weightsSha256: 'a', architecture: 'resnet18', inputSize: [8, 8], mean: [0], std: [1] };
  const variants = [
    source,
    { ...source, weightsSha256: 'b' },
    { ...source, architecture: 'resnet34' },
    { ...source, inputSize: [8, 9] },
    { ...source, mean: [0.5] },
    { ...source, std: [2] },
  ];
  const keys = variants.map(conversionKey);
  expect(new Set(keys).size).toBe(variants.length);
  expect(conversionKey({ ...source })).toBe(keys[0]);
});

test('the digest of the converter is reproducible', () => {
  expect(converterDigest()).toMatch(/^[0-9a-f]{64}$/);
  expect(converterDigest()).toBe(converterDigest());
});

/** One convolution, a global pool, and three classes. */
async function tinySource() {
  const weightsPath = join(folder, 'tiny.safetensors');
  const shapes = {
    'features.0.weight': [4, 3, 3, 3],
    'features.0.bias': [4],
    'classifier.0.weight': [3, 4],
    'classifier.0.bias': [3],
  };
  const tensors = Object.entries(shapes).map(([name, shape]) =>
    float32Tensor(name, shape, stream(name, elementCount(shape), -1, 1)),
  );
  await rm(weightsPath, { force: true });
  await writeSafetensors(weightsPath, tensors);
  const architecture = { family: 'vgg', features: [4], pool: 1, hidden: [] };
  return { weightsPath, architecture, inputSize: [8, 10] as const, mean: [0, 0, 0], std: [1, 1, 1] };
}
