import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  FeatureExtraction,
  type FeatureExtractionOptions,
} from '../../../src/finetuning/features/feature-extraction.ts';
import { augmentationSchema } from '../../../src/image/augment.ts';
import { preprocessImage } from '../../../src/image/preprocess.ts';
import { picture, waves } from '../../image/pictures.ts';

const preprocessing = { inputSize: [16, 16] as const, cropPct: 1, interpolation: 'bilinear' as const };
const augmentation = augmentationSchema.parse({ copies: 2 });

let folder: string;
let runs: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'menagerie-test-'));
  runs = 0;
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A backbone whose features are the first three values of the pixels; counts how often it runs. */
function extraction(options: Partial<FeatureExtractionOptions> = {}): FeatureExtraction {
  return new FeatureExtraction({
    backbone: {
      key: 'backbone',
      preprocessing,
      featureSize: 3,
      compute: async (pixels) => {
        runs += 1;
        return Float32Array.from(pixels.subarray(0, 3));
      },
    },
    augmentation,
    seed: 0,
    cacheDir: folder,
    maxPixels: 1_000_000,
    ...options,
  });
}

async function photo(): Promise<{ content: Buffer; digest: string }> {
  const content = await picture(40, 30, waves).png().toBuffer();
  return { content, digest: createHash('sha256').update(content).digest('hex') };
}

const neverRead = () => Promise.reject(new Error('the file was read again'));

describe('features of images', () => {
  test('are those of the pixels that serving prepares', async () => {
    const { content, digest } = await photo();
    const features = extraction();
    await features.inspect(content, digest);
    const { pixels } = await preprocessImage(content, preprocessing, 1_000_000);
    expect([...features.original(digest)]).toEqual([...pixels.subarray(0, 3)]);
    features.close();
  });

  test('of the copies differ from one another, and the file is decoded once for all of them', async () => {
    const { content, digest } = await photo();
    const features = extraction();
    await features.inspect(content, digest);
    const copies = await features.copies(digest, neverRead);
    expect(copies).toHaveLength(2);
    expect(copies[0]).not.toEqual(copies[1]);
    expect(runs).toBe(3);
    features.close();
  });

  test('are computed once: a second job on the same images runs nothing', async () => {
    const { content, digest } = await photo();
    const first = extraction();
    const facts = await first.inspect(content, digest);
    const copies = await first.copies(digest, neverRead);
    first.close();
    const second = extraction();
    expect(await second.inspect(content, digest)).toEqual(facts);
    expect(await second.copies(digest, neverRead)).toEqual(copies);
    expect(runs).toBe(3);
    second.close();
  });

  test('of other variations or another seed are others; the originals stay', async () => {
    const { content, digest } = await photo();
    const first = extraction();
    await first.inspect(content, digest);
    const copies = await first.copies(digest, neverRead);
    first.close();
    const second = extraction({ seed: 1 });
    await second.inspect(content, digest);
    expect(runs).toBe(3);
    expect(await second.copies(digest, async () => content)).not.toEqual(copies);
    expect(runs).toBe(5);
    second.close();
  });

  test('of another backbone are others', async () => {
    const { content, digest } = await photo();
    const first = extraction();
    await first.inspect(content, digest);
    first.close();
    const other = { key: 'other', preprocessing, featureSize: 1, compute: async () => new Float32Array([7]) };
    const second = extraction({ backbone: other });
    await second.inspect(content, digest);
    expect([...second.original(digest)]).toEqual([7]);
    second.close();
  });
});
