import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FeatureExtraction } from '../../../src/finetuning/features/feature-extraction.ts';
import { SharedFeatures, type SharedFeaturesOptions } from '../../../src/finetuning/features/shared-features.ts';
import { augmentationSchema } from '../../../src/image/augmentation.ts';
import { picture, waves } from '../../image/pictures.ts';
import { MemoryS3 } from '../../registry/s3/memory-s3.ts';

const HOUR_MS = 3_600_000;
const COPIES = 2;
const preprocessing = {
  inputSize: [16, 16] as const,
  resizeMode: 'crop' as const,
  cropPct: 1,
  interpolation: 'bilinear' as const,
};

interface Photo {
  readonly content: Buffer;
  readonly digest: string;
}

let folder: string;
let s3: MemoryS3;
let photos: Photo[];
/** How often the backbone has run, on all machines. */
let runs: number;
/** What is closed after a test. */
let opened: (() => unknown)[];

beforeEach(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'anyone');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  vi.stubEnv('AWS_REGION', 'us-east-1');
  folder = await mkdtemp(join(tmpdir(), 'shared-features-'));
  s3 = await MemoryS3.start('zoo');
  runs = 0;
  opened = [];
  photos = await Promise.all(
    [40, 41, 42, 43, 44].map(async (width) => {
      const content = await picture(width, 30, waves).png().toBuffer();
      return { content, digest: createHash('sha256').update(content).digest('hex') };
    }),
  );
});

afterEach(async () => {
  for (const close of opened) await close();
  await s3.stop();
  await rm(folder, { recursive: true });
  vi.unstubAllEnvs();
});

/** A job on one of several machines, each of which has a folder of its own and all of which use the bucket. */
async function job(machine: string, options: Partial<SharedFeaturesOptions> = {}) {
  const shared = await SharedFeatures.open({
    bucket: 'zoo',
    prefix: 'team/',
    endpoint: s3.endpoint,
    silenceTimeoutMs: 100,
    maxBytes: 1e6,
    flushMs: 1,
    ...options,
  });
  const extraction = await FeatureExtraction.open({
    network: {
      key: 'backbone',
      preprocessing,
      layers: [{ name: 'features', size: 3 }],
      compute: async (pixels) => {
        runs += 1;
        return Float32Array.from(pixels.subarray(0, 3));
      },
    },
    augmentation: augmentationSchema.parse({ copies: COPIES }),
    seed: 0,
    cacheDir: join(folder, machine),
    shared,
    maxPixels: 1_000_000,
  });
  opened.push(
    () => shared.close(),
    () => extraction.close(),
  );
  return {
    inspect: ({ content, digest }: Photo) => extraction.inspect(content, digest),
    original: ({ digest }: Photo) => extraction.original(digest),
    copies: ({ content, digest }: Photo) => extraction.copies(digest, async () => content),
    end: () => shared.close(),
  };
}

type Job = Awaited<ReturnType<typeof job>>;

/** All features of some photos, as a fine-tune computes them. */
async function features({ inspect, original, copies }: Job, of: readonly Photo[]) {
  const facts = await Promise.all(of.map(inspect));
  return { facts, originals: await Promise.all(of.map(original)), copies: await Promise.all(of.map(copies)) };
}

/** Records in the bucket of one kind, such as `originals`. */
function records(kind: string): number {
  return s3
    .keys()
    .map((key) => key.split('/'))
    .filter((parts) => parts.at(-2)?.startsWith(kind))
    .reduce((sum, parts) => sum + Number(parts.at(-1)?.split('-')[0]), 0);
}

describe('features that machines share in a bucket', () => {
  test('a job goes on elsewhere when its machine dies: only what that one had not computed is computed', async () => {
    const dying = await job('one');
    const [first, second, third] = photos as [Photo, Photo, Photo];
    for (const photo of [first, second, third]) await dying.inspect(photo);
    const copies = await dying.copies(first);
    expect(runs).toBe(3 + COPIES);
    await expect.poll(() => [records('originals'), records('facts'), records('copies')]).toEqual([3, 3, COPIES]);

    runs = 0;
    const found = await features(await job('two'), photos);
    expect(runs).toBe(2 + 4 * COPIES);
    expect(found.facts[1]).toEqual(await dying.inspect(second));
    expect(found.originals[1]).toEqual(await dying.original(second));
    expect(found.copies[0]).toEqual(copies);
  });

  test('a later job on the same images computes nothing, and keeps what it has found on its machine', async () => {
    const one = await job('one', { flushMs: HOUR_MS });
    const computed = await features(one, photos);
    expect(s3.requests.filter(({ method }) => method === 'PUT')).toEqual([]);
    await one.end();

    runs = 0;
    const two = await job('two');
    expect(await features(two, photos)).toEqual(computed);
    await two.end();
    s3.requests.length = 0;
    const three = await job('two');
    expect(await features(three, photos)).toEqual(computed);
    expect(runs).toBe(0);
    expect(s3.requests).toEqual([]);
  });

  test('are not sent again by those who have found them', async () => {
    await features(await job('one'), photos);
    await expect.poll(() => records('copies')).toBe(COPIES * photos.length);
    const two = await job('two');
    await features(two, photos);
    await two.end();
    expect(records('originals')).toBe(photos.length);
  });

  test.each(['error', 'silent', 'full'] as const)(
    'are computed where the bucket answers nothing but %s, and the job ends as ever',
    async (fault) => {
      s3.fault = () => fault;
      const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
      const one = await job('one');
      const { originals } = await features(one, photos);
      await one.end();
      expect(originals).toHaveLength(photos.length);
      expect(runs).toBe(photos.length * (1 + COPIES));
      // Once, however many requests would have failed.
      expect(warn.mock.calls).toEqual([[expect.stringContaining('features are no longer shared')]]);
      warn.mockRestore();
    },
  );

  test('come with all that was computed along with them, which then is on the machine', async () => {
    const one = await job('one', { flushMs: HOUR_MS });
    await features(one, photos);
    await one.end();
    const [first] = photos as [Photo];
    await (await job('two')).inspect(first);
    runs = 0;
    s3.requests.length = 0;
    const three = await job('two');
    for (const photo of photos) await three.inspect(photo);
    expect([runs, s3.requests]).toEqual([0, []]);
  });

  test('are computed anew where a block is damaged, and shared in its place', async () => {
    const one = await job('one');
    const computed = await features(one, photos);
    await one.end();
    const blocks = () => [...s3.objects].filter(([key]) => key.includes('/originals.bin/'));
    for (const [key, { bytes, ...object }] of blocks()) {
      const damaged = Buffer.from(bytes);
      damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
      s3.objects.set(key, { ...object, bytes: damaged });
    }
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    runs = 0;
    const two = await job('two', { flushMs: HOUR_MS });
    expect(await features(two, photos)).toEqual(computed);
    expect(runs).toBe(photos.length);
    expect(blocks()).toEqual([]);
    await two.end();
    runs = 0;
    expect(await features(await job('three'), photos)).toEqual(computed);
    expect(runs).toBe(0);
    warn.mockRestore();
  });

  test('are removed when they are older than a week, and the oldest first beyond the budget', async () => {
    s3.now = () => new Date(Date.now() - 8 * 24 * HOUR_MS);
    const [first, second, third] = photos as [Photo, Photo, Photo];
    const inspectAlone = async (photo: Photo, options: Partial<SharedFeaturesOptions> = {}) => {
      const one = await job(photo.digest, options);
      await one.inspect(photo);
      await one.end();
    };
    const blocks = () => s3.keys().filter((key) => key.includes('/originals.bin/'));
    await inspectAlone(first);
    const [old] = blocks();
    expect(old).toBeUndefined();
    s3.now = () => new Date(Date.now() - HOUR_MS);
    await inspectAlone(second);
    const [before] = blocks();
    expect(before).toBeDefined();
    s3.now = () => new Date();
    // One block of features has 8 bytes of head, a digest and three floats; one of facts more.
    await inspectAlone(third, { maxBytes: 52 + 97 + 10 });
    expect(blocks()).toHaveLength(1);
    expect(blocks()).not.toContain(before);
  });
});
