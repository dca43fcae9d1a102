import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import type { Quantization } from '../../src/quantizing/quantization-record.ts';
import { QuantizedModels, quantizationKey } from '../../src/quantizing/quantized-models.ts';
import { SharedVariants } from '../../src/quantizing/shared-variants.ts';
import { parseLabels } from '../../src/registry/labels.ts';
import type { ModelVersion } from '../../src/registry/registry.ts';
import { parseManifest } from '../../src/registry/resolve-manifest.ts';
import { S3Bucket } from '../../src/registry/s3/bucket.ts';
import { S3ArtifactStore } from '../../src/registry/s3/s3-artifact-store.ts';
import { MemoryS3 } from '../registry/s3/memory-s3.ts';
import { quantizationOf } from './a-quantization.ts';

const model: ModelVersion = {
  name: 'resnet18_slim.tiny200',
  version: 1,
  manifest: parseManifest(readFileSync('zoo/resnet18_slim.tiny200/manifest.json', 'utf8'), () =>
    parseLabels(readFileSync('zoo/labels/tiny200.json', 'utf8')),
  ),
  files: async () => ({ weightsPath: '' }),
};
const key = quantizationKey(model);
const logger = createLogger('silent');

/** One of several machines with one bucket. */
interface Machine {
  readonly quantized: QuantizedModels;
  readonly variants: SharedVariants;
  /** Versions that it serves. */
  readonly served: ModelVersion[];
  /** Names of the versions that were unloaded. */
  readonly released: string[];
}

let folder: string;
let s3: MemoryS3;
let buckets: S3Bucket[];
let opened: SharedVariants[];

beforeEach(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'anyone');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  vi.stubEnv('AWS_REGION', 'us-east-1');
  folder = await mkdtemp(join(tmpdir(), 'shared-variants-'));
  s3 = await MemoryS3.start('zoo');
  buckets = [];
  opened = [];
});
afterEach(async () => {
  for (const bucket of buckets) bucket.close();
  for (const variants of opened) await variants.close();
  await s3.stop();
  await rm(folder, { recursive: true });
  vi.unstubAllEnvs();
});

async function machine(): Promise<Machine> {
  const bucket = await S3Bucket.open({ bucket: 'zoo', prefix: '', endpoint: s3.endpoint });
  const quantized = new QuantizedModels(join(folder, `machine-${buckets.length}`));
  buckets.push(bucket);
  const served = [model];
  const released: string[] = [];
  const variants = new SharedVariants({
    bucket,
    quantized,
    versions: () => served,
    release: async ({ name, variant }) => void released.push(`${name} ${variant}`),
    logger,
    againMs: 10,
  });
  opened.push(variants);
  return { quantized, variants, served, released };
}

/** Makes a variant that consists of the given text, on one machine and for all. */
function make(one: Machine, content: string): Promise<Quantization> {
  return makeAlone(one, content, (record, path) => one.variants.put(key, record, path));
}

/** As `make`, for this machine alone. */
async function makeAlone(
  { quantized }: Machine,
  content: string,
  put: (record: Quantization, path: string) => Promise<void> = async () => {},
): Promise<Quantization> {
  return await quantized.put(model, async (staging) => {
    const path = join(staging, 'model.onnx');
    await writeFile(path, content);
    const record = quantizationOf(content);
    await put(record, path);
    return record;
  });
}

async function contentOn({ quantized }: Machine): Promise<string | undefined> {
  const found = await quantized.find(model);
  return found && (await readFile(found.path, 'utf8'));
}

describe('a variant that one machine has made', () => {
  test('is copied by the others, with what is known of it, and only once', async () => {
    const [one, two] = [await machine(), await machine()];
    const record = await make(one, 'model 1');
    await two.variants.copy();
    expect(await contentOn(two)).toBe('model 1');
    expect((await two.quantized.find(model))?.record).toEqual(record);
    await one.variants.copy();
    s3.requests.length = 0;
    await two.variants.copy();
    await one.variants.copy();
    expect(s3.requests.map(({ query }) => query.get('prefix'))).toEqual(['models/.int8/', 'models/.int8/']);
    expect([one.released, two.released]).toEqual([[], []]);
  });

  test('takes the place of the one before on all, where that is unloaded', async () => {
    const [one, two] = [await machine(), await machine()];
    await make(one, 'model 1');
    await two.variants.copy();
    await make(one, 'model 2');
    await two.variants.copy();
    expect(await contentOn(two)).toBe('model 2');
    expect(two.released).toEqual([`${model.name} int8`]);
    // Of the file of the one before, nothing is left.
    expect(s3.keys()).toEqual([`models/.int8/${key}.json`, expect.stringMatching(/^variants\//)]);
  });

  test.each<[string, () => void]>([
    [
      'cannot be fetched',
      () => {
        s3.fault = ({ key: at }) => (at.endsWith('.onnx') ? 'error' : undefined);
      },
    ],
    [
      'is damaged',
      () => {
        const [at = ''] = s3.keys().filter((name) => name.endsWith('.onnx'));
        s3.objects.set(at, { bytes: Buffer.from('model x'), etag: '', modified: new Date() });
      },
    ],
    [
      'has a damaged record',
      () => {
        const [at = ''] = s3.keys().filter((name) => name.endsWith('.json'));
        s3.objects.set(at, { bytes: Buffer.from('{}'), etag: '"1"', modified: new Date() });
      },
    ],
  ])('and that %s is not there until it can be copied, which is tried again', async (_what, harm) => {
    const [one, two] = [await machine(), await machine()];
    await make(one, 'model 1');
    harm();
    await two.variants.copy();
    expect(await contentOn(two)).toBeUndefined();
    s3.fault = () => undefined;
    await make(one, 'model 1');
    await expect.poll(() => contentOn(two)).toBe('model 1');
  });

  test('is removed with the last model that has it', async () => {
    const one = await machine();
    await make(one, 'model 1');
    await one.variants.remove(model, [{ ...model, name: 'copy' }]);
    expect(s3.keys()).toHaveLength(2);
    await one.variants.remove(model, []);
    expect(s3.keys()).toEqual([]);
  });

  test('is removed everywhere when it is on one, as soon as no version is served that has it', async () => {
    const [one, two] = [await machine(), await machine()];
    await make(one, 'model 1');
    await two.variants.copy();
    await one.variants.remove(model, []);
    await two.variants.copy();
    expect(await contentOn(two)).toBe('model 1');
    two.served.length = 0;
    await two.variants.copy();
    expect(await contentOn(two)).toBeUndefined();
    expect(s3.keys()).toEqual([]);
    await make(one, 'model 1');
    await two.variants.copy();
    expect(await contentOn(two)).toBe('model 1');
  });

  test('before the machine had a bucket is put into it, if it is intact and of a version that is served', async () => {
    const [one, two] = [await machine(), await machine()];
    await makeAlone(one, 'model 1');
    one.served.length = 0;
    await one.variants.copy();
    expect(s3.keys()).toEqual([]);
    one.served.push(model);
    await one.variants.copy();
    await two.variants.copy();
    expect(await contentOn(two)).toBe('model 1');
    await one.variants.remove(model, []);
    const damaged = await machine();
    await makeAlone(damaged, 'model 1');
    await writeFile((await damaged.quantized.find(model))?.path ?? '', 'model x');
    await damaged.variants.copy();
    expect(s3.keys()).toEqual([]);
  });

  test('is no model of the store, but changes its revision', async () => {
    const store = await S3ArtifactStore.open({
      bucket: 'zoo',
      prefix: '',
      endpoint: s3.endpoint,
      cacheFolder: join(folder, 'cache'),
      cacheBytes: 1e6,
      logger,
    });
    const before = await store.revision();
    await make(await machine(), 'model 1');
    expect(await store.revision()).not.toBe(before);
    expect(await store.list()).toEqual([]);
    store.close();
  });
});
