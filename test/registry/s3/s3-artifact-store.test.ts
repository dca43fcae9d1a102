import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLogger } from '../../../src/common/logger.ts';
import { S3ArtifactStore } from '../../../src/registry/s3/s3-artifact-store.ts';
import { describeArtifactStore } from '../../contract/artifact-store.ts';
import { type Fault, MemoryS3, type SeenRequest } from './memory-s3.ts';

process.env['AWS_ACCESS_KEY_ID'] = 'anyone';
process.env['AWS_SECRET_ACCESS_KEY'] = 'secret';
process.env['AWS_REGION'] = 'us-east-1';

const HOUR_MS = 3_600_000;

function open(s3: MemoryS3, cacheFolder: string, options: { cacheBytes?: number; silenceTimeoutMs?: number } = {}) {
  return S3ArtifactStore.open({
    bucket: 'zoo',
    prefix: 'team/',
    endpoint: s3.endpoint,
    cacheFolder,
    cacheBytes: 1e6,
    logger: createLogger('silent'),
    ...options,
  });
}

describe.each([
  ['S3', false],
  ['S3 that compares ETags without quotes', true],
])('%s', (name, comparesBareEtags) =>
  describeArtifactStore(name, async () => {
    const s3 = await MemoryS3.start('zoo', 2);
    s3.comparesBareEtags = comparesBareEtags;
    const folder = await mkdtemp(join(tmpdir(), 's3-'));
    const stores: S3ArtifactStore[] = [];
    return {
      open: async () => {
        const store = await open(s3, join(folder, String(stores.length)));
        stores.push(store);
        return store;
      },
      dispose: async () => {
        for (const store of stores) store.close();
        await s3.stop();
        await rm(folder, { recursive: true });
      },
    };
  }),
);

describe('a store in a bucket', () => {
  let folder: string;
  let s3: MemoryS3;
  let store: S3ArtifactStore;
  const stores: S3ArtifactStore[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 's3-'));
    s3 = await MemoryS3.start('zoo');
    store = await another();
  });

  afterEach(async () => {
    for (const each of stores.splice(0)) each.close();
    await s3.stop();
    await rm(folder, { recursive: true });
  });

  /** Opens the store once more, as another machine does. */
  async function another(options?: Parameters<typeof open>[2]): Promise<S3ArtifactStore> {
    const opened = await open(s3, join(folder, `cache-${stores.length}`), options);
    stores.push(opened);
    return opened;
  }

  async function put(content: string | Buffer = 'weights', key = 'job-1', into = store, name = 'flowers') {
    const files = await mkdtemp(join(folder, 'files-'));
    await writeFile(join(files, 'weights.safetensors'), content);
    return into.putVersion(name, files, key);
  }

  const read = async (from: S3ArtifactStore, version = 1) =>
    readFile(await from.localFile('flowers', version, 'weights.safetensors'), 'utf8');

  /** Lets the next request fail for which a condition holds. */
  function failOnce(fault: Fault, isMeant: (request: SeenRequest) => boolean): void {
    let isOver = false;
    s3.fault = (request) => {
      if (isOver || !isMeant(request)) return undefined;
      isOver = true;
      return fault;
    };
  }

  const isRecordWrite = ({ method, key }: SeenRequest) => method === 'PUT' && key.startsWith('team/models/');
  const isFileRead = ({ method, key }: SeenRequest) => method === 'GET' && key.startsWith('team/files/');

  test('keeps a record for each model, and the files of each version in a folder of their own', async () => {
    await put();
    expect(s3.keys()).toEqual([
      expect.stringMatching(/^team\/files\/flowers\/[0-9a-f-]{36}\/weights\.safetensors$/),
      'team/models/flowers.json',
    ]);
    await store.removeVersion('flowers', 1);
    expect(s3.keys()).toEqual(['team/models/flowers.json']);
  });

  test.each<[string, MemoryS3['honours']]>([
    ['ignores If-None-Match', (header) => header !== 'if-none-match'],
    ['ignores If-Match', (header) => header !== 'if-match'],
    [
      'accepts an ETag that the object no longer has',
      (_, value) => ['*', '"00000000000000000000000000000000"'].includes(value),
    ],
  ])('is not opened when its S3 API %s', async (what, honours) => {
    s3.honours = honours;
    await expect(another()).rejects.toThrow(`s3://zoo/team cannot hold models: its S3 API ${what}`);
    expect(s3.keys()).toEqual([]);
  });

  test('is not opened when its S3 API refuses conditional writes', async () => {
    s3.fault = ({ method }) => (method === 'PUT' ? 'unknown' : undefined);
    await expect(another()).rejects.toThrow('its S3 API does not know conditional writes');
  });

  test('that does not exist is not opened', async () => {
    const wrong = { bucket: 'other', prefix: '', endpoint: s3.endpoint, cacheFolder: folder, cacheBytes: 1 };
    await expect(S3ArtifactStore.open({ ...wrong, logger: createLogger('silent') })).rejects.toThrow(
      /^s3:\/\/other: .*the bucket does not exist/,
    );
  });

  test('lists a version only when all of it is there', async () => {
    s3.fault = (request) => (isRecordWrite(request) ? 'error' : undefined);
    await expect(put()).rejects.toMatchObject({ code: 'storage_unavailable', status: 503 });
    expect(await store.list()).toEqual([]);
    s3.fault = () => undefined;
    expect(await put()).toBe(1);
    expect(await read(await another())).toBe('weights');
  });

  test('takes large files in parts, and keeps nothing of an upload that fails', async () => {
    const large = Buffer.alloc(9 * 1024 * 1024, 'weights');
    s3.fault = ({ query }) => (query.get('partNumber') === '2' ? 'full' : undefined);
    await expect(put(large)).rejects.toMatchObject({ code: 'storage_full', status: 507 });
    expect(s3.uploads.size).toBe(0);
    expect(s3.keys()).toEqual([]);
    s3.fault = () => undefined;
    await put(large);
    expect(s3.requests.filter(({ query }) => query.has('partNumber')).length).toBeGreaterThanOrEqual(4);
    expect((await read(await another({ cacheBytes: 0 }))).length).toBe(large.length);
  });

  test('keeps nothing of a version for which the bucket has too little room', async () => {
    const files = await mkdtemp(join(folder, 'files-'));
    for (const file of ['manifest.json', 'weights.safetensors']) await writeFile(join(files, file), file);
    s3.fault = ({ method, key }) => (method === 'PUT' && key.endsWith('.safetensors') ? 'full' : undefined);
    await expect(store.putVersion('flowers', files, 'job-1')).rejects.toMatchObject({
      code: 'storage_full',
      message: 'The bucket of the server is full. Free some space, then try again.',
    });
    await expect.poll(() => s3.keys()).toEqual([]);
    expect(await store.list()).toEqual([]);
    expect([store.isUp, store.warnings]).toEqual([true, [expect.stringContaining('The bucket of the server is full')]]);
    s3.fault = () => undefined;
    expect(await store.putVersion('flowers', files, 'job-1')).toBe(1);
    expect(store.warnings).toEqual([]);
  });

  test('does what was asked once, also when the answer of S3 is lost', async () => {
    failOnce('lost', isRecordWrite);
    expect(await put('first')).toBe(1);
    failOnce('lost', isRecordWrite);
    expect(await store.reserveVersion('flowers', 'job-2')).toBe(2);
    failOnce('lost', isRecordWrite);
    await store.setAlias('flowers', 'production', 1);
    expect(await read(await another())).toBe('first');
    failOnce('lost', isRecordWrite);
    await store.removeAlias('flowers', 'production');
    failOnce('lost', isRecordWrite);
    await store.removeVersion('flowers', 1);
    expect(await store.list()).toEqual([]);
  });

  test('publishes a version and points its alias in one write, so that no death falls between', async () => {
    const files = await mkdtemp(join(folder, 'files-'));
    await writeFile(join(files, 'weights.safetensors'), 'weights');
    await store.putVersion('flowers', files, 'job-1', () => 'production');
    expect((await store.get('flowers')).aliases).toEqual({ production: 1 });
    expect(s3.requests.filter(isRecordWrite)).toHaveLength(1);
  });

  test('gives each number and each key once, to any number of servers', async () => {
    const servers = [store, await another(), await another()];
    const keys = ['a', 'b', 'c', 'd', 'a', 'b'];
    const numbers = await Promise.all(keys.map((key, i) => put(key, key, servers[i % 3])));
    expect(new Set(numbers)).toEqual(new Set([1, 2, 3, 4]));
    expect(numbers[4]).toBe(numbers[0]);
    expect(numbers[5]).toBe(numbers[1]);
    // Those that came second have left nothing.
    expect(s3.keys().filter((key) => key.startsWith('team/files/'))).toHaveLength(4);
    for (const server of servers) expect((await server.get('flowers')).versions).toEqual([1, 2, 3, 4]);
  });

  test('shows a change of one server to the others', async () => {
    await put();
    const other = await another();
    const before = await other.revision();
    expect(await other.revision()).toBe(before);
    await store.setAlias('flowers', 'production', 1);
    expect(await other.revision()).not.toBe(before);
    expect(await other.list()).toEqual(await store.list());
    expect((await other.get('flowers')).aliases).toEqual({ production: 1 });
    await expect(other.removeVersion('flowers', 1)).rejects.toMatchObject({ code: 'version_in_use' });
  });

  test('reads again only the records that have changed', async () => {
    await put();
    await put('weights', 'job-1', store, 'birds');
    const other = await another();
    await other.list();
    await store.setAlias('birds', 'production', 1);
    s3.requests.length = 0;
    await other.list();
    expect(s3.requests.map(({ key }) => key)).toEqual(['', 'team/models/birds.json']);
  });

  test('is listed once to see a change and to read it, and given no older than this server knows it', async () => {
    const listings = () => s3.requests.filter(({ query }) => query.get('prefix') === 'team/models/').length;
    // Each of both looks for abandoned files first.
    await expect.poll(listings).toBe(1);
    const other = await another();
    await expect.poll(listings).toBe(2);
    const names = async (revision?: string) => (await store.list(revision)).map(({ name }) => name);
    await put('weights', 'job-1', other);
    const first = await store.revision();
    expect(await names(first)).toEqual(['flowers']);
    expect(listings()).toBe(3);

    const second = await store.revision();
    await put('weights', 'job-2', other, 'birds');
    await store.get('birds');
    expect(await names(second)).toEqual(['birds', 'flowers']);
    const third = await store.revision();
    await put('weights', 'job-3', store, 'trees');
    expect(await names(third)).toEqual(['birds', 'flowers', 'trees']);
  });

  test('without a readable record leaves that model alone unavailable', async () => {
    await put();
    await put('weights', 'job-1', store, 'birds');
    const key = 'team/models/flowers.json';
    const text = String(s3.objects.get(key)?.bytes).replace('job-1', 'job-7');
    s3.objects.set(key, { bytes: Buffer.from(text), etag: '"other"', modified: new Date() });
    const models = await store.list();
    expect(models.map(({ name, damage }) => [name, damage])).toEqual([
      ['birds', undefined],
      ['flowers', expect.stringContaining('models/flowers.json is damaged')],
    ]);
    await expect(store.get('flowers')).rejects.toMatchObject({ code: 'model_unavailable' });
  });

  test('removes what ended servers have left, when it is old enough', async () => {
    s3.now = () => new Date(Date.now() - 48 * HOUR_MS);
    await put('kept');
    s3.fault = (request) => (isRecordWrite(request) ? 'full' : undefined);
    await expect(put('left', 'job-2')).rejects.toThrow();
    s3.uploads.set('left', { key: 'team/files/flowers/x/weights', started: s3.now(), parts: new Map() });
    // The last to be removed.
    s3.objects.set('team/probes/left', { bytes: Buffer.from('4'), etag: '', modified: s3.now() });
    s3.now = () => new Date();
    s3.uploads.set('being put', { key: 'team/files/flowers/y/weights', started: s3.now(), parts: new Map() });
    await expect(put('being put', 'job-3')).rejects.toThrow();
    s3.fault = () => undefined;
    const files = () => s3.keys().filter((key) => key.startsWith('team/files/'));
    expect(files()).toHaveLength(3);
    await another();
    await expect.poll(() => s3.keys().filter((key) => key.startsWith('team/probes/'))).toEqual([]);
    expect([...s3.uploads.keys()]).toEqual(['being put']);
    expect(new Set(files().map((key) => String(s3.objects.get(key)?.bytes)))).toEqual(new Set(['kept', 'being put']));
  });

  describe('that cannot be reached', () => {
    const fail = (fault: Fault) => {
      s3.fault = () => fault;
    };

    test('goes on handing out the files that are here, says what is wrong, and comes back', async () => {
      await put();
      await store.list();
      const before = await store.revision();
      await read(store);
      fail('error');
      expect(await read(store)).toBe('weights');
      expect((await store.getVersion('flowers', 1)).key).toBe('job-1');
      await expect(store.revision()).rejects.toMatchObject({ code: 'storage_unavailable', status: 503 });
      expect(store.warnings).toEqual([expect.stringMatching(/bucket of the server cannot be used .*served meanwhile/)]);
      await expect(store.setAlias('flowers', 'production', 1)).rejects.toMatchObject({ status: 503 });
      s3.fault = () => undefined;
      expect(await store.revision()).toBe(before);
      expect(store.warnings).toEqual([]);
    });

    test('makes files unavailable that are not here, and asks for one other try', async () => {
      await put();
      await store.list();
      const before = await store.revision();
      fail('error');
      await expect(read(store)).rejects.toMatchObject({
        code: 'model_unavailable',
        message: expect.stringMatching(/^flowers\/1\/weights\.safetensors cannot be fetched: /),
      });
      s3.fault = () => undefined;
      const after = await store.revision();
      expect(after).not.toBe(before);
      expect(await store.revision()).toBe(after);
    });

    test('is not waited for when it is silent', async () => {
      const impatient = await another({ silenceTimeoutMs: 100 });
      fail('silent');
      await expect(impatient.list()).rejects.toMatchObject({ code: 'storage_unavailable' });
    });
  });

  describe('of which files are copied to this machine', () => {
    const copies = async () => (await readdir(join(folder, 'cache-1'))).length;

    test('fetches each file once', async () => {
      await put();
      await Promise.all([read(store), read(store)]);
      await read(store);
      expect(s3.requests.filter(isFileRead)).toHaveLength(1);
    });

    test('fetches a file again when the connection breaks in the middle of it', async () => {
      await put();
      failOnce('cut', isFileRead);
      expect(await read(store)).toBe('weights');
    });

    test('fetches a file again when its copy is damaged', async () => {
      await put();
      const path = await store.localFile('flowers', 1, 'weights.safetensors');
      await writeFile(path, 'WEIGHTS');
      expect(await read(store)).toBe('weights');
    });

    test.each([
      [
        'other bytes',
        (key: string) => s3.objects.set(key, { bytes: Buffer.from('WEIGHTS'), etag: '', modified: new Date() }),
        /is damaged: its SHA-256 is/,
      ],
      ['no bytes', (key: string) => s3.objects.delete(key), /weights\.safetensors is missing$/],
    ])('hands out no file of which the bucket has %s', async (_what, damage, message) => {
      await put();
      damage(s3.keys()[0] ?? '');
      await expect(read(store)).rejects.toMatchObject({
        code: 'model_unavailable',
        message: expect.stringMatching(message),
      });
    });

    test('fetches weights when they are used, and the small files of a version with the first of them', async () => {
      const files = await mkdtemp(join(folder, 'files-'));
      await writeFile(join(files, 'backbone.safetensors'), Buffer.alloc(300_000));
      await writeFile(join(files, 'manifest.json'), '{}');
      await writeFile(join(files, 'report.json'), 'good');
      await store.putVersion('flowers', files, 'job-1');
      const other = await another();
      await other.list();
      await other.expectFile('flowers', 1, 'backbone.safetensors');
      const fetched = () => s3.requests.filter(isFileRead).map(({ key }) => key.split('/').at(-1));
      expect(fetched()).toEqual([]);
      await other.localFile('flowers', 1, 'manifest.json');
      await expect.poll(fetched).toEqual(['manifest.json', 'report.json']);
      s3.fault = () => 'error';
      expect(await readFile(await other.localFile('flowers', 1, 'report.json'), 'utf8')).toBe('good');
      s3.fault = () => undefined;
      await other.localFile('flowers', 1, 'backbone.safetensors');
      expect(fetched()).toEqual(['manifest.json', 'report.json', 'backbone.safetensors']);
    });

    test('removes the least recently used copies beyond its budget, but none of the last 36 hours', async () => {
      const small = await another({ cacheBytes: 15 });
      for (const key of ['first 7', 'second7', 'third 7', 'fourth7']) await put(key, key);
      for (const version of [1, 2, 3]) await read(small, version);
      expect(await copies()).toBe(3);
      const longAgo = new Date(Date.now() - 37 * HOUR_MS);
      for (const name of await readdir(join(folder, 'cache-1')))
        await utimes(join(folder, 'cache-1', name), longAgo, longAgo);
      await read(small, 2);
      await read(small, 4);
      expect(await copies()).toBe(2);
      s3.requests.length = 0;
      expect([await read(small, 2), await read(small, 4)]).toEqual(['second7', 'fourth7']);
      expect(s3.requests).toEqual([]);
    });
  });
});
