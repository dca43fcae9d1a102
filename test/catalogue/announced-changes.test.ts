import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RepositoryWatch } from '../../src/catalogue/repository-watch.ts';
import { createLogger } from '../../src/common/logger.ts';
import { RedisLink } from '../../src/jobs/redis/redis-link.ts';
import { Registry } from '../../src/registry/registry.ts';
import { Repository } from '../../src/registry/repository.ts';
import { S3ArtifactStore } from '../../src/registry/s3/s3-artifact-store.ts';
import { HAS_REDIS, RedisServer, WITHOUT_REDIS } from '../jobs/redis/redis-server.ts';
import { MemoryS3 } from '../registry/s3/memory-s3.ts';

const SEED = 'resnet18_slim.tiny200';
const HOUR_MS = 3_600_000;
const logger = createLogger('silent');

/** The models of a server, which shares a bucket and a Redis with others. */
interface Server {
  readonly link: RedisLink;
  readonly store: S3ArtifactStore;
  readonly registry: Registry;
  readonly close: () => Promise<void>;
}

describe.skipIf(!HAS_REDIS)(`servers with one bucket and one Redis${WITHOUT_REDIS}`, () => {
  let folder: string;
  let s3: MemoryS3;
  let redis: RedisServer;
  let servers: Server[];

  beforeEach(async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'anyone');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
    vi.stubEnv('AWS_REGION', 'us-east-1');
    folder = await mkdtemp(join(tmpdir(), 'menagerie-announced-'));
    [s3, redis] = await Promise.all([MemoryS3.start('zoo'), RedisServer.start()]);
    servers = [];
  });
  afterEach(async () => {
    for (const { close } of servers) await close();
    await Promise.all([s3.stop(), redis.dispose()]);
    await rm(folder, { recursive: true });
    vi.unstubAllEnvs();
  });

  /** Starts what keeps a registry up to date, and looks by itself only every hour. */
  async function start(): Promise<Server> {
    const link = new RedisLink({ url: redis.url, channel: 'zoo', logger });
    let isLinked = false;
    link.listen(() => {
      isLinked = true;
    });
    const store = await S3ArtifactStore.open({
      bucket: 'zoo',
      prefix: '',
      endpoint: s3.endpoint,
      cacheFolder: join(folder, `cache-${servers.length}`),
      cacheBytes: 1e9,
      logger,
      onChange: () => link.announce(),
    });
    const registry = new Registry();
    const watch = new RepositoryWatch({
      folders: [],
      revision: () => store.revision(),
      announcements: link,
      scanIntervalMs: HOUR_MS,
      repository: new Repository('zoo', store),
      registry,
      serving: {
        prepare: async () => () => {},
        release: async () => {},
        state: () => ({ state: 'UNAVAILABLE', reason: '' }),
        use: () => Promise.reject(new Error('nothing is to be loaded')),
      },
      logger,
    });
    await watch.start();
    await expect.poll(() => isLinked).toBe(true);
    const close = async () => {
      link.close();
      store.close();
      await watch.close();
    };
    const server = { link, store, registry, close };
    servers.push(server);
    return server;
  }

  async function put({ store }: Server, key: string): Promise<void> {
    const made = await mkdtemp(join(folder, 'made-'));
    await cp(`zoo/${SEED}`, made, { recursive: true });
    const manifest = JSON.parse(await readFile(join(made, 'manifest.json'), 'utf8'));
    await writeFile(join(made, 'manifest.json'), JSON.stringify({ ...manifest, name: 'flowers', title: key }));
    await store.putVersion('flowers', made, key);
  }

  /** What a request for a bare name is answered with. */
  function answering({ registry }: Server): string | undefined {
    return registry.find('flowers') && registry.resolve('flowers').manifest.file.title;
  }

  test('see what one of them changes when it is announced: versions, aliases and removals', async () => {
    const [one, two] = [await start(), await start()];
    await put(one, 'first');
    await expect.poll(() => answering(two)).toBe('first');
    await put(one, 'second');
    await expect.poll(() => answering(two)).toBe('second');
    await two.store.setAlias('flowers', 'production', 1);
    await expect.poll(() => answering(one)).toBe('first');
    await one.store.setAlias('flowers', 'production', 2);
    await expect.poll(() => answering(two)).toBe('second');
    await one.store.removeVersion('flowers', 1);
    await expect.poll(() => two.registry.find('flowers')?.versions.map(({ version }) => version)).toEqual([2]);
    // Nobody has copied weights to see all this.
    expect(s3.requests.filter(({ method, key }) => method === 'GET' && key.endsWith('.safetensors'))).toEqual([]);
  });

  test('see a change that was announced while they looked for another one', async () => {
    const [one, two] = [await start(), await start()];
    await put(one, 'first');
    await expect.poll(() => answering(two)).toBe('first');
    await put(one, 'second');
    await expect.poll(() => answering(two)).toBe('second');
    let heard = 0;
    two.link.listen(() => {
      heard += 1;
    });
    const list = two.store.list.bind(two.store);
    two.store.list = async () => {
      two.store.list = list;
      const listed = await list();
      // The alias moves after the records were read, and before the scan has ended.
      const before = heard;
      await one.store.setAlias('flowers', 'production', 1);
      await expect.poll(() => heard).toBeGreaterThan(before);
      return listed;
    };
    await one.store.setAlias('flowers', 'tested', 1);
    await expect.poll(() => answering(two)).toBe('first');
  });
});
