import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { createLogger } from '../../../src/common/logger.ts';
import { S3ArtifactStore } from '../../../src/registry/s3/s3-artifact-store.ts';
import { describeArtifactStore } from '../../contract/artifact-store.ts';

/**
 * Addresses of S3 servers that run already, and may be filled with buckets: of one that honours conditional writes, such
 * as `moto_server`, and of one that ignores them, such as the gateway of JuiceFS 1.4.
 */
const { S3_SERVER = '', S3_SERVER_WITHOUT_CONDITIONS = '' } = process.env;

async function openIn(bucket: string, endpoint: string, cacheFolder: string): Promise<S3ArtifactStore> {
  const logger = createLogger('silent');
  return await S3ArtifactStore.open({ bucket, prefix: 'team/', endpoint, cacheFolder, cacheBytes: 1e6, logger });
}

async function makeBucket(endpoint: string): Promise<string> {
  const bucket = `zoo-${randomUUID()}`;
  const client = new S3Client({ endpoint, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return bucket;
}

describe.skipIf(S3_SERVER === '')('a server of S3 (skipped unless S3_SERVER has its address)', () => {
  describeArtifactStore('S3', async () => {
    const bucket = await makeBucket(S3_SERVER);
    const folder = await mkdtemp(join(tmpdir(), 's3-'));
    const stores: S3ArtifactStore[] = [];
    return {
      open: async () => {
        const store = await openIn(bucket, S3_SERVER, join(folder, String(stores.length)));
        stores.push(store);
        return store;
      },
      dispose: async () => {
        for (const store of stores) store.close();
        await rm(folder, { recursive: true });
      },
    };
  });
});

test.skipIf(S3_SERVER_WITHOUT_CONDITIONS === '')(
  'a server that ignores conditional writes is refused (skipped unless S3_SERVER_WITHOUT_CONDITIONS has its address)',
  async () => {
    const endpoint = S3_SERVER_WITHOUT_CONDITIONS;
    await expect(openIn(await makeBucket(endpoint), endpoint, tmpdir())).rejects.toThrow('ignores If-None-Match');
  },
);
