import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import { type OpenedArtifactStore, openArtifactStore } from '../../src/registry/open-artifact-store.ts';
import { MemoryS3 } from './s3/memory-s3.ts';

let dataDir: string;
let s3: MemoryS3;
let opened: OpenedArtifactStore;

beforeEach(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'anyone');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  vi.stubEnv('AWS_REGION', 'us-east-1');
  dataDir = await mkdtemp(join(tmpdir(), 'store-'));
  s3 = await MemoryS3.start('zoo');
});
afterEach(async () => {
  opened.close();
  await s3.stop();
  await rm(dataDir, { recursive: true });
  vi.unstubAllEnvs();
});

async function open(artifactStore: string, artifactCacheBytes = 1e6): Promise<OpenedArtifactStore> {
  const settings = { dataDir, artifactStore, artifactCacheBytes, s3Endpoint: s3.endpoint };
  opened = await openArtifactStore(settings, createLogger('silent'));
  return opened;
}

async function put(content: string): Promise<string> {
  const folder = await mkdtemp(join(dataDir, 'version-'));
  await writeFile(join(folder, 'weights'), content);
  return opened.store.localFile('flowers', await opened.store.putVersion('flowers', folder, content), 'weights');
}

test('versions are in a folder of the data, which shows changes, by default', async () => {
  const { folder, revision, warnings } = await open('');
  expect(await put('first')).toBe(join(dataDir, 'models', 'flowers', '1', 'weights'));
  expect([folder, revision, warnings()]).toEqual([join(dataDir, 'models'), undefined, []]);
  expect(s3.requests).toEqual([]);
});

test('versions are in a bucket where the settings name one, which has a revision; what is wrong with it is known', async () => {
  const { folder, revision, isUp, warnings } = await open('s3://zoo/team');
  const before = await revision?.();
  await put('first');
  expect(s3.keys()).toContain('team/models/flowers.json');
  expect(folder).toBeUndefined();
  expect(await revision?.()).not.toBe(before);
  expect([isUp?.(), warnings()]).toEqual([true, []]);
  s3.fault = () => 'error';
  await expect(revision?.()).rejects.toMatchObject({ code: 'storage_unavailable' });
  expect([isUp?.(), warnings()]).toEqual([false, [expect.stringContaining('The bucket of the server cannot be used')]]);
});

test.each([
  [0, 1],
  [1e6, 2],
])(
  'of a budget of %d bytes for copies, %d copies are left when one of two was last used long ago',
  async (budget, left) => {
    await open('s3://zoo/team', budget);
    await put('first');
    const copies = join(dataDir, 'artifacts');
    for (const copy of await readdir(copies)) await utimes(join(copies, copy), 0, 0);
    await put('second');
    expect(await readdir(copies)).toHaveLength(left);
  },
);
