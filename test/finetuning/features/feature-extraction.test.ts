import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  FeatureExtraction,
  type FeatureExtractionOptions,
} from '../../../src/finetuning/features/feature-extraction.ts';
import { augmentationSchema } from '../../../src/image/augmentation.ts';
import { corrupt } from '../../../src/image/corruptions/corrupt.ts';
import { preprocessImage } from '../../../src/image/preprocess.ts';
import { picture, waves } from '../../image/pictures.ts';

const preprocessing = {
  inputSize: [16, 16] as const,
  resizeMode: 'crop' as const,
  cropPct: 1,
  interpolation: 'bilinear' as const,
};
const augmentation = augmentationSchema.parse({ copies: 2 });

let folder: string;
let runs: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'menagerie-test-'));
  runs = 0;
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function compute(pixels: Uint8Array): Promise<Float32Array> {
  runs += 1;
  return Float32Array.from(pixels.subarray(0, 3));
}

/** A backbone whose features are the first three values of the pixels; counts how often it runs. */
function extraction(options: Partial<FeatureExtractionOptions> = {}): Promise<FeatureExtraction> {
  return FeatureExtraction.open({
    network: { key: 'backbone', preprocessing, layers: [{ name: 'features', size: 3 }], compute },
    augmentation,
    seed: 0,
    cacheDir: folder,
    maxPixels: 1_000_000,
    ...options,
  });
}

async function photo(width = 40): Promise<{ content: Buffer; digest: string }> {
  const content = await picture(width, 30, waves).png().toBuffer();
  return { content, digest: createHash('sha256').update(content).digest('hex') };
}

const neverRead = () => Promise.reject(new Error('the file was read again'));

describe('maps that enter the last stage', () => {
  const entry = {
    shape: [2, 2, 1] as const,
    compute: async (pixels: Uint8Array) => ({
      features: await compute(pixels),
      map: Float32Array.from(pixels.subarray(0, 4), (value) => value + 0.25),
    }),
  };
  const network = { key: 'backbone', preprocessing, layers: [{ name: 'features', size: 3 }], compute, entry };

  test('are computed in the same run as the features, and kept for the next job', async () => {
    const { content, digest } = await photo();
    for (const already of [0, 3]) {
      const features = await extraction({ network });
      expect(runs).toBe(already);
      await features.inspect(content, digest);
      await features.copies(digest, neverRead);
      expect(runs).toBe(3);
      const maps = features.openMaps();
      features.close();
      const { pixels } = await preprocessImage(content, preprocessing, 1_000_000);
      expect([...maps.read(digest)]).toEqual([...pixels.subarray(0, 4)].map((value) => value + 0.25));
      expect(maps.read(digest, 1)).not.toEqual(maps.read(digest, 0));
      maps.close();
    }
  });

  test('are computed where a job without them has left features only', async () => {
    const { content, digest } = await photo();
    const before = await extraction();
    await before.inspect(content, digest);
    before.close();
    const features = await extraction({ network });
    await features.inspect(content, digest);
    const maps = features.openMaps();
    features.close();
    expect(maps.read(digest)).toHaveLength(4);
    maps.close();
  });

  test('that are not on the disk are missed before a wrong model is trained', async () => {
    const features = await extraction({ network });
    const maps = features.openMaps();
    features.close();
    expect(() => maps.read('00'.repeat(32))).toThrow(/disk full/);
    maps.close();
  });
});

describe('features of images', () => {
  test('are computed from the same pixels as in serving', async () => {
    const { content, digest } = await photo();
    const features = await extraction();
    await features.inspect(content, digest);
    const { pixels } = await preprocessImage(content, preprocessing, 1_000_000);
    expect([...(await features.original(digest))]).toEqual([...pixels.subarray(0, 3)]);
    features.close();
  });

  test('differ between copies, and the file is decoded once for all of them', async () => {
    const { content, digest } = await photo();
    const features = await extraction();
    await features.inspect(content, digest);
    const copies = await features.copies(digest, neverRead);
    expect(copies).toHaveLength(2);
    expect(copies[0]).not.toEqual(copies[1]);
    expect(runs).toBe(3);
    features.close();
  });

  test('are computed once: a second job on the same images runs nothing', async () => {
    const { content, digest } = await photo();
    const first = await extraction();
    const facts = await first.inspect(content, digest);
    const copies = await first.copies(digest, neverRead);
    first.close();
    const second = await extraction();
    expect(await second.inspect(content, digest)).toEqual(facts);
    expect(await second.copies(digest, neverRead)).toEqual(copies);
    expect(runs).toBe(3);
    second.close();
  });

  test('of corrupted images are computed from the corrupted input, once, and whatever the seed is', async () => {
    const { content, digest } = await photo();
    const kinds = [
      { corruption: 'brightness', severity: 1 },
      { corruption: 'gaussian_noise', severity: 5 },
    ] as const;
    const first = await extraction();
    const corrupted = await first.corrupted(digest, kinds, async () => content);
    first.close();
    const { pixels } = await preprocessImage(content, preprocessing, 1_000_000);
    const [height, width] = preprocessing.inputSize;
    const expected = await Promise.all(kinds.map((kind) => corrupt({ pixels, width, height }, kind, digest)));
    expect(corrupted.map((row) => [...row])).toEqual(expected.map((row) => [...row.subarray(0, 3)]));
    expect(runs).toBe(2);
    const second = await extraction({ seed: 1 });
    expect(await second.corrupted(digest, kinds, neverRead)).toEqual(corrupted);
    expect(runs).toBe(2);
    second.close();
  });

  test('of copies depend on the seed, those of originals do not', async () => {
    const { content, digest } = await photo();
    const first = await extraction();
    await first.inspect(content, digest);
    const copies = await first.copies(digest, neverRead);
    first.close();
    const second = await extraction({ seed: 1 });
    await second.inspect(content, digest);
    expect(runs).toBe(3);
    expect(await second.copies(digest, async () => content)).not.toEqual(copies);
    expect(runs).toBe(5);
    second.close();
  });

  test('depend on the backbone', async () => {
    const { content, digest } = await photo();
    const first = await extraction();
    await first.inspect(content, digest);
    first.close();
    const layers = [{ name: 'features', size: 1 }];
    const other = { key: 'other', preprocessing, layers, compute: async () => new Float32Array([7]) };
    const second = await extraction({ network: other });
    await second.inspect(content, digest);
    expect([...(await second.original(digest))]).toEqual([7]);
    second.close();
  });

  test.each([
    ['crop', { cropPct: 0.35 }],
    ['resize mode', { resizeMode: 'stretch' as const }],
    ['colour of the padding', { resizeMode: 'pad' as const, padColor: [114, 114, 114] as const }],
    ['interpolation', { interpolation: 'bicubic' as const }],
  ])('depend on the %s', async (_what, change) => {
    const { content, digest } = await photo();
    const first = await extraction();
    await first.inspect(content, digest);
    await first.copies(digest, neverRead);
    first.close();
    const layers = [{ name: 'features', size: 3 }];
    const network = { key: 'backbone', preprocessing: { ...preprocessing, ...change }, layers, compute };
    const second = await extraction({ network });
    await second.inspect(content, digest);
    const { pixels } = await preprocessImage(content, network.preprocessing, 1_000_000);
    expect([...(await second.original(digest))]).toEqual([...pixels.subarray(0, 3)]);
    await second.copies(digest, neverRead);
    expect(runs).toBe(6);
    second.close();
  });

  test('are not taken from a job with a higher limit of pixels', async () => {
    const { content, digest } = await photo();
    const first = await extraction();
    await first.inspect(content, digest);
    first.close();
    const second = await extraction({ maxPixels: 100 });
    await expect(second.inspect(content, digest)).rejects.toMatchObject({ code: 'image_too_large' });
    second.close();
  });

  test('are computed once for an image that is in the data set twice', async () => {
    const { content, digest } = await photo();
    const features = await extraction();
    await Promise.all([features.inspect(content, digest), features.inspect(content, digest)]);
    await Promise.all([features.copies(digest, neverRead), features.copies(digest, neverRead)]);
    expect(runs).toBe(3);
    features.close();
  });
});

describe('a job keeps what it computed', () => {
  test('while another job writes to the same files', async () => {
    const [job, dryRun] = [await extraction(), await extraction()];
    const [ours, theirs] = [await photo(40), await photo(50)];
    await dryRun.inspect(theirs.content, theirs.digest);
    await job.inspect(ours.content, ours.digest);
    const { pixels } = await preprocessImage(ours.content, preprocessing, 1_000_000);
    expect([...(await job.original(ours.digest))]).toEqual([...pixels.subarray(0, 3)]);
    const copies = await job.copies(ours.digest, neverRead);
    await dryRun.copies(theirs.digest, neverRead);
    expect(await job.copies(ours.digest, neverRead)).toEqual(copies);
    job.close();
    dryRun.close();
    runs = 0;
    const later = await extraction();
    for (const { content, digest } of [ours, theirs]) {
      await later.inspect(content, digest);
      await later.copies(digest, neverRead);
    }
    expect(runs).toBe(0);
    later.close();
  });

  test.each<[string, (path: string) => void]>([
    ['deleted', (path) => rmSync(path)],
    ['emptied', (path) => truncateSync(path, 0)],
    ['cut', (path) => truncateSync(path, 40)],
    ['overwritten with garbage', (path) => writeFileSync(path, randomBytes(statSync(path).size))],
  ])('while the files of the cache are %s', async (_what, damage) => {
    const { content, digest } = await photo();
    const job = await extraction();
    const facts = await job.inspect(content, digest);
    const original = await job.original(digest);
    const copies = await job.copies(digest, neverRead);
    for (const path of cacheFiles()) damage(path);
    expect(await job.inspect(content, digest)).toEqual(facts);
    expect(await job.original(digest)).toEqual(original);
    expect(await job.copies(digest, neverRead)).toEqual(copies);
    job.close();
    const later = await extraction();
    expect(await later.inspect(content, digest)).toEqual(facts);
    expect(await later.original(digest)).toEqual(original);
    expect(await later.copies(digest, async () => content)).toEqual(copies);
    later.close();
  });

  test('where the cache cannot be written, and counts what is on disk', async () => {
    const { content, digest } = await photo();
    const cacheDir = join(folder, 'a file, not a folder');
    writeFileSync(cacheDir, '');
    const job = await extraction({ cacheDir });
    await job.inspect(content, digest);
    expect(await job.copies(digest, neverRead)).toHaveLength(2);
    expect(job.kept).toBe(0);
    job.close();
    const other = await extraction();
    await other.inspect(content, digest);
    expect(other.kept).toBe(1);
    await other.copies(digest, neverRead);
    expect(other.kept).toBe(3);
    other.close();
  });
});

/** Paths of the files with features and facts. */
function cacheFiles(): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.bin')).map((name) => join(folder, name));
}
