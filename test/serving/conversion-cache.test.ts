import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AppError } from '../../src/common/errors.ts';
import { withStagingFolder } from '../../src/common/staging-folder.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { readZoo } from '../../src/registry/zoo.ts';
import { ConversionCache } from '../../src/serving/conversion-cache.ts';

const logger = pino({ level: 'silent' });
const found = (await readZoo('zoo')).models.find(({ name }) => name === 'inception_v1_slim.tiny200');
if (found === undefined) throw new Error('the embedded Inception is missing');
const inception: ModelVersion = found;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'menagerie-test-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the cache of converted models', () => {
  test('converts a model once for concurrent calls, and not again after a restart', async () => {
    const cache = new ConversionCache(folder, logger);
    const [one, two] = await Promise.all([cache.get(inception), cache.get(inception)]);
    expect(two).toEqual(one);
    expect(readdirSync(folder)).toEqual([one.key]);
    const { mtimeMs } = statSync(one.onnx.path);
    const again = await new ConversionCache(folder, logger).get(inception);
    expect(again).toEqual(one);
    expect(statSync(again.onnx.path).mtimeMs).toBe(mtimeMs);
  });

  test('needs the weights only to convert', async () => {
    const cache = new ConversionCache(folder, logger);
    const { onnx } = await cache.get(inception);
    const lost = new AppError('model_unavailable', 'the weights cannot be fetched');
    const away = { ...inception, files: () => Promise.reject(lost) };
    expect((await cache.verified(away)).onnx).toEqual(onnx);
    writeFileSync(onnx.path, 'damaged');
    await expect(cache.verified(away)).rejects.toBe(lost);
    expect((await cache.verified(inception)).onnx).toEqual(onnx);
  });

  test('looks a model up without converting it', async () => {
    expect(await new ConversionCache(folder, logger).peek(inception)).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('has another conversion for another normalisation', async () => {
    const cache = new ConversionCache(folder, logger);
    const file = { ...inception.manifest.file, mean: [0.5, 0.5, 0.5] as [number, number, number] };
    const shifted = { ...inception, manifest: { ...inception.manifest, file } };
    const [one, two] = [await cache.get(inception), await cache.get(shifted)];
    expect(two.key).not.toBe(one.key);
    expect(readdirSync(folder).sort()).toEqual([one.key, two.key].sort());
  });

  test('removes the files of a model, unless another model shares them', async () => {
    const cache = new ConversionCache(folder, logger);
    const file = { ...inception.manifest.file, mean: [0.5, 0.5, 0.5] as [number, number, number] };
    const shifted = { ...inception, manifest: { ...inception.manifest, file } };
    const [one, two] = [await cache.get(inception), await cache.get(shifted)];
    await cache.remove(inception, [{ ...inception, name: 'copy' }, shifted]);
    expect(readdirSync(folder).sort()).toEqual([one.key, two.key].sort());
    await cache.remove(inception, [shifted]);
    expect(readdirSync(folder)).toEqual([two.key]);
    await cache.remove(inception, []);
  });

  test('removes what a crash has left, and nothing that is being made', async () => {
    const cache = new ConversionCache(join(folder, 'converted'), logger);
    await cache.clear();
    mkdirSync(join(folder, 'converted', 'abandoned.tmp', 'made'), { recursive: true });
    const whole = await cache.get(inception);
    await withStagingFolder(join(folder, 'converted'), async (going) => {
      await cache.clear();
      expect(readdirSync(join(folder, 'converted')).sort()).toEqual([whole.key, basename(going)].sort());
    });
  });

  test.skipIf(process.platform === 'win32')('uses a temporary folder where its own cannot be written', async () => {
    // Not even root can create folders there.
    const cache = new ConversionCache('/sys/menagerie', logger);
    const { onnx } = await cache.get(inception);
    expect(dirname(dirname(dirname(onnx.path)))).toBe(tmpdir());
    expect(cache.warnings).toEqual([
      'Converted models cannot be kept. The server has no permission for its data folder. Grant it, then try again.',
    ]);
    expect((await cache.get(inception)).onnx).toEqual(onnx);
    await cache.close(0);
    expect(existsSync(onnx.path)).toBe(false);
  });

  test.skipIf(process.platform === 'win32')('leaves nothing behind when it is closed during a conversion', async () => {
    vi.stubEnv('TMPDIR', folder);
    const cache = new ConversionCache('/sys/menagerie', logger);
    const converted = cache.get(inception);
    await expect.poll(() => readdirSync(folder)).toHaveLength(1);
    await cache.close(60_000);
    expect(await converted).toMatchObject({ numClasses: 200 });
    expect(readdirSync(folder)).toEqual([]);
    await expect(cache.verified(inception)).rejects.toMatchObject({ code: 'shutting_down' });
    vi.unstubAllEnvs();
  });

  test('uses a temporary folder where a file is in the place of its own', async () => {
    const file = join(folder, 'converted');
    writeFileSync(file, '');
    const cache = new ConversionCache(file, logger);
    expect(dirname(dirname(dirname((await cache.get(inception)).onnx.path)))).toBe(tmpdir());
    await cache.close(0);
  });

  test('refuses weights with another digest, names both digests, and converts them once they are right', async () => {
    const weightsPath = join(folder, 'weights.safetensors');
    const right = (await inception.files()).weightsPath;
    const good = readFileSync(right);
    writeFileSync(weightsPath, good.subarray(0, good.length - 1));
    const cache = new ConversionCache(join(folder, 'converted'), logger);
    const moved = { ...inception, files: async () => ({ weightsPath }) };
    await expect(cache.get(moved)).rejects.toMatchObject({
      code: 'model_unavailable',
      message: expect.stringMatching(/has SHA-256 [0-9a-f]{64}, but the manifest says 3c3f8895/),
    });
    cpSync(right, weightsPath);
    await expect(cache.get(moved)).resolves.toMatchObject({ numClasses: 200 });
  });
});
