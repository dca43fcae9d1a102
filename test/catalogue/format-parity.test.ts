import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FormatParity, readFormatParity } from '../../src/catalogue/format-parity.ts';
import { createLogger } from '../../src/common/logger.ts';
import type { ConvertedModel } from '../../src/serving/conversion.ts';
import { writeColourModel } from '../colour-model.ts';

let folder: string;
let converted: ConvertedModel;
let parity: FormatParity;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-parity-'));
  const { onnx, tfjs } = await writeColourModel(folder);
  const file = (path: string, sha256: string) => ({ path, files: [path], size: 10, sha256 });
  converted = {
    key: 'colours',
    inputSize: [4, 4],
    numClasses: 3,
    featureSize: 3,
    activationShape: [4, 4, 3],
    explanation: { refused: 'not asked for' },
    onnx: file(onnx, 'a'),
    tfjs: file(tfjs, 'b'),
  };
  parity = new FormatParity(createLogger('silent'));
});
afterEach(async () => {
  await parity.close();
  await rm(folder, { recursive: true });
});

test('both formats of a model answer alike, and the report beside them says by how much', async () => {
  expect(await readFormatParity(converted)).toBeUndefined();
  await parity.compare('colours', converted);
  const report = await readFormatParity(converted);
  expect(report).toMatchObject({
    pictures: 8,
    top1_agreement: 1,
    within_tolerance: true,
    onnx: { backend: 'cpu', sha256: 'a', size_bytes: 10 },
    tfjs: { sha256: 'b', size_bytes: 10 },
  });
  expect(report?.max_difference.probabilities).toBeLessThan(1e-5);
});

test('a model whose formats differ is found out', async () => {
  const { tfjs } = converted;
  const path = tfjs?.path ?? '';
  const model = JSON.parse(await readFile(path, 'utf8'));
  // All its weights have the other sign.
  const other = await mkdtemp(join(folder, 'other-'));
  for (const { paths } of model.weightsManifest) {
    for (const shard of paths) {
      const bytes = await readFile(join(dirname(path), shard));
      const values = new Float32Array(Uint8Array.from(bytes).buffer);
      await writeFile(join(other, shard), new Uint8Array(values.map((value) => -value).buffer));
    }
  }
  await writeFile(join(other, 'model.json'), JSON.stringify(model));
  const changed = join(other, 'model.json');
  await parity.compare('colours', {
    ...converted,
    tfjs: { path: changed, files: [changed], size: 10, sha256: 'c' },
  });
  const report = await readFormatParity(converted);
  expect(report?.within_tolerance).toBe(false);
  expect(report?.top1_agreement).toBeLessThan(1);
});

test('a model in one format alone is compared with nothing', async () => {
  const { tfjs: _, ...alone } = converted;
  await parity.compare('colours', alone);
  expect(await readFormatParity(converted)).toBeUndefined();
});
