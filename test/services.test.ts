import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { makeFolder } from '../src/common/durable-files.ts';
import { lockFolder } from '../src/common/folder-lock.ts';
import { createLogger } from '../src/common/logger.ts';
import { type Config, readConfig } from '../src/config.ts';
import { createServer } from '../src/server.ts';
import { createWorker } from '../src/worker.ts';
import { HAS_REDIS, RedisServer, WITHOUT_REDIS } from './jobs/redis/redis-server.ts';
import { MemoryS3 } from './registry/s3/memory-s3.ts';

const logger = createLogger('silent');

describe.skipIf(!HAS_REDIS)(`a process with jobs on Redis${WITHOUT_REDIS}`, () => {
  let dataDir: string;
  let s3: MemoryS3;
  let redis: RedisServer;

  beforeEach(async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'anyone');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
    vi.stubEnv('AWS_REGION', 'us-east-1');
    dataDir = await mkdtemp(join(tmpdir(), 'menagerie-services-'));
    [s3, redis] = await Promise.all([MemoryS3.start('zoo'), RedisServer.start()]);
  });
  afterEach(async () => {
    await Promise.all([s3.stop(), redis.dispose()]);
    await rm(dataDir, { recursive: true });
    vi.unstubAllEnvs();
  });

  function configOf(artifactStore: string): Config {
    return readConfig({
      DATA_DIR: dataDir,
      PORT: '0',
      JOB_QUEUE: redis.url,
      ARTIFACT_STORE: artifactStore,
      AWS_ENDPOINT_URL_S3: s3.endpoint,
    });
  }

  describe('that cannot start', () => {
    /** Processes and connections, with which a program does not end. */
    const opened = () =>
      process.getActiveResourcesInfo().filter((kind) => ['ProcessWrap', 'TCPSocketWrap'].includes(kind)).length;

    test.each([
      ['server', createServer],
      ['worker', createWorker],
    ])('since its data folder is in use leaves nothing open, as a %s', async (_what, create) => {
      await makeFolder(join(dataDir, 'jobs'));
      const unlock = await lockFolder(join(dataDir, 'jobs'));
      const before = opened();
      await expect(create(configOf('s3://zoo'), logger)).rejects.toThrow('is in use by');
      await expect.poll(opened).toBe(before);
      await unlock();
    });

    test('since its bucket fails when the models are read leaves nothing open', async () => {
      s3.fault = ({ query }) => (query.get('prefix') === 'models/' ? 'error' : undefined);
      const before = opened();
      await expect(createServer(configOf('s3://zoo'), logger)).rejects.toMatchObject({ code: 'storage_unavailable' });
      await expect.poll(opened).toBe(before);
    });
  });

  test('and models of its own has Redis in the metrics, and listens to no other machine', async () => {
    const server = await createServer(configOf(''), logger);
    const port = await server.listen();
    const redisIsUp = async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      return /^menagerie_dependency_up\{dependency="redis"\} (\d)$/m.exec(text)?.[1];
    };
    expect(await redisIsUp()).toBe('1');
    const client = new Redis(redis.url);
    expect(await client.pubsub('CHANNELS', 'menagerie:*')).toEqual([]);
    client.disconnect();
    await redis.kill();
    await expect.poll(redisIsUp).toBe('0');
    redis.run();
    await expect.poll(redisIsUp).toBe('1');
    await server.close();
  });
});
