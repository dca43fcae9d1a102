import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FormatParity, type FormatParityReport, readFormatParity } from '../../src/catalogue/format-parity.ts';
import { createLogger } from '../../src/common/logger.ts';
import type { ConvertedModel } from '../../src/serving/conversion-cache.ts';
import { writeColourModel } from '../colour-model.ts';

let folder: string;
let converted: ConvertedModel;
let parity: FormatParity;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-parity-'));
  const { onnx, tfjs } = await writeColourModel(folder);
  const file = (path: string, sha256: string) => ({ path, files: [], size: 10, sha256 });
  converted = {
    key: 'colours',
    inputSize: [4, 4],
    numClasses: 3,
    featureSize: 3,
    activationShape: [4, 4, 3],
    explanation: { refused: 'not needed' },
    onnx: file(onnx, 'a'),
    tfjs: file(tfjs, 'b'),
  };
  parity = new FormatParity(createLogger('silent'));
});
afterEach(async () => {
  await parity.close();
  await rm(folder, { recursive: true });
});

async function compare(model: ConvertedModel): Promise<FormatParityReport | undefined> {
  parity.compare('colours', model);
  await parity.idle();
  return await readFormatParity(model);
}

test('the report says how much the two formats of a model differ', async () => {
  expect(await readFormatParity(converted)).toBeUndefined();
  const report = await compare(converted);
  expect(report).toMatchObject({
    pictures: 8,
    top1_agreement: 1,
    within_tolerance: true,
    onnx: { backend: 'cpu', sha256: 'a', size_bytes: 10 },
    tfjs: { sha256: 'b', size_bytes: 10 },
  });
  expect(report?.max_difference.probabilities).toBeLessThan(1e-5);
});

test('a model whose formats differ is noticed', async () => {
  const { tfjs } = converted;
  const path = tfjs?.path ?? '';
  const model = JSON.parse(await readFile(path, 'utf8'));
  // All weights have the opposite sign.
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
  const report = await compare({ ...converted, tfjs: { path: changed, files: [], size: 10, sha256: 'c' } });
  expect(report?.within_tolerance).toBe(false);
  expect(report?.top1_agreement).toBeLessThan(1);
});

test('a model with one format is not compared', async () => {
  const { tfjs: _, ...alone } = converted;
  expect(await compare(alone)).toBeUndefined();
});

test.each([
  ['is empty', () => ''],
  ['was cut short', (text: string) => text.slice(0, 100)],
  ['has another digit', (text: string) => text.replace('"pictures": 8', '"pictures": 9')],
  ['is no JSON', () => '\u0000garbage'],
  ['is JSON of another kind', () => 'null'],
])('a report that %s is made again', async (_, damage) => {
  const report = await compare(converted);
  const path = join(dirname(converted.onnx.path), 'parity.json');
  await writeFile(path, damage(await readFile(path, 'utf8')));
  expect(await readFormatParity(converted)).toBeUndefined();
  await parity.close();
  parity = new FormatParity(createLogger('silent'));
  expect(await compare(converted)).toEqual({ ...report, measured_at: expect.any(String) });
});

test('a report does not count for other files', async () => {
  await compare(converted);
  const { tfjs = converted.onnx } = converted;
  expect(await readFormatParity({ ...converted, tfjs: { ...tfjs, sha256: 'c' } })).toBeUndefined();
});
