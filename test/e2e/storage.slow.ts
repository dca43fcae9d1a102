import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { colourZip } from '../../scripts/labelled-zip.ts';
import { type ServerProcess, startServer, until, untilReady } from '../../scripts/server-process.ts';
import { createLogger } from '../../src/common/logger.ts';
import { FileArtifactStore } from '../../src/registry/file-artifact-store.ts';
import { EMBEDDED, goldenPictures } from '../golden/pictures.ts';

/**
 * Mounts are seen by the server alone. The tests may run as root, for whom permissions mean nothing: so disks do it.
 */
const UNSHARE = ['--user', '--map-root-user', '--mount'];
const canMount = spawnSync('unshare', [...UNSHARE, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

let folder: string;
let template: string;
let dataDir: string;
let server: ServerProcess;

/** A data folder with two versions of `flowers`, the first of which serves. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-storage-'));
  template = join(folder, 'template');
  dataDir = await mkdtemp(join(folder, 'data-'));
  const files = await mkdtemp(join(folder, 'files-'));
  const manifest = JSON.parse(await readFile(`zoo/${EMBEDDED[0]}/manifest.json`, 'utf8'));
  await writeFile(join(files, 'manifest.json'), JSON.stringify({ ...manifest, name: 'flowers' }));
  await writeFile(join(files, manifest.weights.file), await readFile(`zoo/${EMBEDDED[0]}/${manifest.weights.file}`));
  const store = await FileArtifactStore.open(join(template, 'models'), createLogger('silent'));
  for (const key of ['a', 'b']) await store.putVersion('flowers', files, key);
  await store.setAlias('flowers', 'production', 1);
});
afterAll(() => rm(folder, { recursive: true }));

afterEach(async () => {
  server.child.kill('SIGKILL');
  await server.exit;
});

/** Starts a server whose data folder the script has prepared: `$1` is the folder, `$2` the template. */
async function startOn(script: string): Promise<void> {
  const command = `set -e; ${script}; shift 2; exec "$@"`;
  const run = ['-c', command, 'sh', dataDir, template, process.execPath, 'dist/src/main.js'];
  server = await startServer(dataDir, {}, ['unshare', ...UNSHARE, 'sh', ...run]);
  await untilReady(server);
}

async function classify(model: string): Promise<number> {
  const [picture] = await goldenPictures(EMBEDDED[0]);
  const form = new FormData();
  form.append('image', new Blob([new Uint8Array(picture?.png ?? [])]), 'photo.png');
  return (await fetch(`${server.url}/classify?model=${model}`, { method: 'POST', body: form })).status;
}

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly detail: string | undefined;
}

async function ask(path: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(server.url + path, init);
  const text = await response.text();
  const { code, detail } = text === '' ? {} : JSON.parse(text);
  return { status: response.status, code, detail };
}

function promote(version: number): Promise<Answer> {
  const headers = { 'Content-Type': 'application/json' };
  return ask('/models/flowers/aliases/production', { method: 'PUT', headers, body: JSON.stringify({ version }) });
}

async function finetune(): Promise<Answer> {
  const form = new FormData();
  form.append('dataset', new Blob([new Uint8Array(await colourZip())]), 'set.zip');
  form.append('name', 'birds');
  return ask('/finetune', { method: 'POST', body: form });
}

/** A job in the API; only what these tests use. */
interface Job {
  readonly id: string;
  readonly state: string;
  readonly progress: { readonly phase: string } | null;
}

/** Writes to a disk until it is full. */
async function fill(path: string): Promise<void> {
  const file = await open(join(path, 'fill'), 'w');
  try {
    for (;;) await file.write(Buffer.alloc(65_536));
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'ENOSPC' });
  } finally {
    await file.close();
  }
}

async function stop(): Promise<number | string> {
  server.child.kill('SIGTERM');
  return await server.exit;
}

describe.skipIf(!canMount)('on a full disk (skipped where `unshare --mount` is not permitted)', () => {
  const FULL =
    'mount -t tmpfs -o size=48m tmpfs "$1"; cp -r "$2/." "$1"; dd if=/dev/zero of="$1/fill" 2>/dev/null || true';

  it('the server classifies, says what cannot be written, and goes on when there is room again', async () => {
    await startOn(FULL);
    expect([await classify(EMBEDDED[0]), await classify('flowers')]).toEqual([200, 200]);
    for (const answer of [await promote(2), await finetune()]) {
      expect(answer).toMatchObject({ status: 507, code: 'storage_full' });
      expect(answer.detail).toContain('Free some space');
      expect(answer.detail).not.toContain(dataDir);
    }
    expect(server.log()).toMatch(/ENOSPC.*flowers\/\.aliases\/production/);
    expect(await classify('flowers')).toBe(200);

    // As the server sees it.
    await rm(`/proc/${server.child.pid}/root${dataDir}/fill`);
    expect((await promote(2)).status).toBe(200);
    expect((await finetune()).status).toBe(202);
    expect(await stop(), server.log().slice(-2000)).toBe(0);
  });

  it('a fine-tune during which the disk fills up fails with storage_full', async () => {
    await startOn('mount -t tmpfs -o size=300m tmpfs "$1"; cp -r "$2/." "$1"');
    const seen = `/proc/${server.child.pid}/root${dataDir}`;
    const form = new FormData();
    form.append('dataset', new Blob([new Uint8Array(await colourZip())]), 'set.zip');
    for (const [name, value] of Object.entries({ name: 'birds', copies: '20' })) form.append(name, value);
    const { id } = (await (await fetch(`${server.url}/finetune`, { method: 'POST', body: form })).json()) as Job;
    const job = async () => (await (await fetch(`${server.url}/jobs/${id}`)).json()) as Job;
    await until(async () => (await job()).progress?.phase === 'augmenting');
    await fill(seen);
    await until(async () => (await job()).state !== 'running');
    const failure = { code: 'storage_full', message: expect.stringContaining('Free some space') };
    expect(await job()).toMatchObject({ state: 'failed', failure });
    expect((await ask('/models/birds', {})).code).toBe('model_not_found');
    expect(readdirSync(join(seen, 'work'))).toEqual([]);
    expect(await classify('flowers')).toBe(200);
    expect(await stop(), server.log().slice(-2000)).toBe(0);
  });

  it('a version can be removed to make room', async () => {
    await startOn(FULL);
    expect((await ask('/models/flowers@2', { method: 'DELETE' })).status).toBe(204);
    expect((await promote(1)).status).toBe(200);
    expect(await stop(), server.log().slice(-2000)).toBe(0);
  });

  it('SIGTERM ends it as always', async () => {
    await startOn(FULL);
    expect(await stop(), server.log().slice(-2000)).toBe(0);
  });
});

describe.skipIf(!canMount)('on a read-only disk (skipped where `unshare --mount` is not permitted)', () => {
  it.each([
    ['with models', 'mount --bind "$2" "$1"'],
    ['that is empty', 'mount -t tmpfs -o size=1m tmpfs "$1"'],
  ])('%s the server classifies and says what cannot be written', async (what, prepare) => {
    await startOn(`${prepare}; mount -o remount,bind,ro "$1"`);
    expect(await classify(EMBEDDED[0])).toBe(200);
    const changes = [await finetune()];
    if (what === 'with models') {
      expect(await classify('flowers')).toBe(200);
      changes.push(await promote(2), await ask('/models/flowers@2', { method: 'DELETE' }));
      changes.push(await ask('/models/flowers/aliases/production', { method: 'DELETE' }));
    }
    for (const answer of changes) {
      expect(answer).toMatchObject({ status: 503, code: 'storage_unavailable' });
      expect(answer.detail).toContain('read-only');
      expect(answer.detail).not.toContain(dataDir);
    }
    expect(server.log()).toContain('EROFS');
    expect(await (await fetch(`${server.url}/jobs`)).json()).toEqual({ jobs: [] });
    expect(await stop(), server.log().slice(-2000)).toBe(0);
  });
});
