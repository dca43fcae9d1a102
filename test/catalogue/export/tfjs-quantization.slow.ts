import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer as collect } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportModel } from '../../../src/catalogue/export/model-export.ts';
import { type QuantizableModel, TfjsQuantizer } from '../../../src/catalogue/export/tfjs-quantization.ts';
import { createLogger } from '../../../src/common/logger.ts';
import type { ModelVersion } from '../../../src/registry/registry.ts';
import { readZoo } from '../../../src/registry/zoo.ts';
import { ConversionCache, type ConvertedModel, requireFormat } from '../../../src/serving/conversion-cache.ts';
import { EnginePool } from '../../../src/serving/engine-pool.ts';
import { maxDifference, runTfjs } from '../../convert/runtimes.ts';
import { EMBEDDED } from '../../golden/pictures.ts';
import { readZip } from '../../zip-reader.ts';

let folder: string;
let pool: EnginePool;
let model: ModelVersion;
let converted: ConvertedModel;
let exact: string;
let source: QuantizableModel;
let quantizer: TfjsQuantizer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-quantized-'));
  const logger = createLogger('silent');
  pool = new EnginePool({ size: 1, threads: 1, logger });
  const found = (await readZoo('zoo')).models.find(({ name }) => name === EMBEDDED[0]);
  if (found === undefined) throw new Error(`the zoo has no ${EMBEDDED[0]}`);
  model = found;
  converted = await new ConversionCache(folder, logger).get(model);
  source = { ...converted, tfjs: requireFormat(model, converted, 'tfjs') };
  exact = source.tfjs.path;
  quantizer = new TfjsQuantizer(pool);
});
afterAll(async () => {
  await pool.close(1000);
  await rm(folder, { recursive: true, force: true });
});

async function sizeOf(path: string): Promise<number> {
  const names = (await readdir(dirname(path))).filter((name) => name.endsWith('.bin'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(dirname(path), name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe.each([
  ['float16', 0.5, 0.01],
  ['uint8', 0.25, 0.1],
] as const)('%s', (storage, share, tolerance) => {
  it('loads like any TF.js model, is smaller, and is as exact as its record says', async () => {
    const { files, parity } = await quantizer.get(source, storage);
    const { path = '' } = files[0] ?? {};
    const smaller = (await sizeOf(path)) / (await sizeOf(exact));
    expect(smaller).toBeGreaterThan(share);
    expect(smaller).toBeLessThan(share + 0.02);
    expect(parity).toMatchObject({ weights: storage, pictures: 8, tolerance, within_tolerance: true });
    expect(parity.max_probability_difference).toBeGreaterThan(0);

    const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 37) % 256);
    const pixels = { data, shape: [1, 64, 64, 3] };
    const [before, after] = [await runTfjs(exact, pixels), await runTfjs(path, pixels)];
    const difference = maxDifference(before.probabilities, after.probabilities);
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(tolerance);
  });

  it('is made only once', async () => {
    const { files, parity } = await quantizer.get(source, storage);
    const { mtimeMs } = await stat(files[0]?.path ?? '');
    const [again, other] = await Promise.all([quantizer.get(source, storage), quantizer.get(source, storage)]);
    expect([again, other]).toEqual([
      { files, parity },
      { files, parity },
    ]);
    expect((await stat(files[0]?.path ?? '')).mtimeMs).toBe(mtimeMs);
  });

  it.each([/model.json$/, /bin$/, /quantized.json$/])('is made again when its %s is damaged', async (pattern) => {
    const quantized = await quantizer.get(source, storage);
    const made = dirname(quantized.files[0]?.path ?? '');
    const path = join(made, (await readdir(made)).find((name) => pattern.test(name)) ?? '');
    const sound = await readFile(path);
    const damaged = Buffer.from(sound);
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 1;
    await writeFile(path, damaged);
    expect(await quantizer.get(source, storage)).toEqual(quantized);
    expect((await readFile(path)).equals(sound)).toBe(true);
  });

  it('is exported with its parity in the card and in README.txt', async () => {
    const quantized = await quantizer.get(source, storage);
    const { zip, filename } = await exportModel({ model, converted, quantized, producerVersion: '0' }, 'tfjs', {
      id: 'x',
    });
    expect(filename).toBe(`${model.name}-1-tfjs-${storage}.zip`);
    const files = await readZip(await collect(zip));
    const into = await mkdtemp(join(folder, 'taken-'));
    for (const [name, bytes] of files) await writeFile(join(into, name), bytes);
    expect(JSON.parse(String(files.get('card.json')))).toEqual({ id: 'x', quantization: quantized.parity });
    expect(String(files.get('README.txt'))).toContain(`within the tolerance of ${tolerance}`);
    expect(await readFile(join(into, 'model.json'), 'utf8')).toContain(`"${storage}"`);
    expect(await sizeOf(join(into, 'model.json'))).toBe(await sizeOf(quantized.files[0]?.path ?? ''));
  });
});

it('leaves no temporary files', async () => {
  expect(await readdir(folder).then((names) => names.filter((name) => name.endsWith('.tmp')))).toEqual([]);
});
