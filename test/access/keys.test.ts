import { copyFile, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeyFile } from '../../src/access/key-file.ts';
import { KeyRing } from '../../src/access/key-ring.ts';

let folder: string;
let file: KeyFile;
let log: Record<string, unknown>[];
const logger = pino({ level: 'info' }, { write: (line: string) => void log.push(JSON.parse(line)) });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-keys-'));
  file = new KeyFile(folder);
  log = [];
});
afterEach(() => rm(folder, { recursive: true }));

describe('the file of the keys', () => {
  it('does not have the keys, only what recognises them', async () => {
    const { key, stored } = await file.create('laptop', 'teach');
    expect(key).toMatch(/^mng_[\da-f]{12}_[\w-]{43}$/);
    const text = await readFile(file.path, 'utf8');
    expect(text).not.toContain(key.slice(-43));
    expect(text).toContain(stored.id);
    expect((await file.create('camera', 'classify')).key).not.toBe(key);
  });

  it('keeps revoked keys, and lets their names be used again', async () => {
    const { stored } = await file.create('laptop', 'admin');
    await expect(file.create('laptop', 'classify')).rejects.toThrow('there is a key "laptop" already');
    await file.revoke('laptop');
    await file.create('laptop', 'classify');
    expect((await file.read())?.map(({ id, revoked_at }) => [id === stored.id, revoked_at === null])).toEqual([
      [true, false],
      [false, true],
    ]);
    await expect(file.revoke('phone')).rejects.toThrow('the valid keys are: laptop');
  });

  it('loses no key that is made at the same moment as another', async () => {
    await Promise.all(['a', 'b', 'c'].map((name) => file.create(name, 'classify')));
    expect((await file.read())?.map(({ name }) => name).sort()).toEqual(['a', 'b', 'c']);
  });

  it('does not pass for an empty one when it is damaged', async () => {
    await file.create('laptop', 'admin');
    await writeFile(file.path, (await readFile(file.path, 'utf8')).replace('"laptop"', '"taptop"'));
    await expect(file.read()).rejects.toThrow('keys.json is damaged');
    await expect(KeyRing.open(file, logger)).rejects.toThrow('keys.json is damaged');
  });
});

describe('a running server', () => {
  it('takes a key that is made, refuses one that is revoked, and logs both without the key', async () => {
    const ring = await KeyRing.open(file, logger);
    expect([ring.everHadKeys, ring.hasValidKey]).toEqual([false, false]);
    const { key, stored } = await file.create('laptop', 'teach');
    await ring.look();
    expect(ring.find(key)).toEqual(stored);
    expect([ring.everHadKeys, ring.hasValidKey]).toEqual([true, true]);
    await file.revoke('laptop');
    await ring.look();
    expect(ring.find(key)).toBeUndefined();
    expect([ring.everHadKeys, ring.hasValidKey]).toEqual([true, false]);
    ring.close();
    const audited = { id: stored.id, name: 'laptop', scope: 'teach' };
    expect(log).toMatchObject([
      { audit: true, client: 'command line', action: 'key created', key: audited },
      { audit: true, client: 'command line', action: 'key revoked', key: audited },
    ]);
    expect(JSON.stringify(log)).not.toContain(key.slice(-43));
  });

  it.each(['', 'mng_', 'Bearer', 'mng_000000000000_', 'constructor'])('knows no key like "%s"', async (text) => {
    const { key } = await file.create('laptop', 'teach');
    const ring = await KeyRing.open(file, logger);
    expect(ring.find(text)).toBeUndefined();
    // The id of a key with another secret.
    expect(ring.find(`${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`)).toBeUndefined();
    ring.close();
  });

  it('follows a link, as to a Secret of Kubernetes, whose files are replaced together by another link', async () => {
    const revisions = ['first', 'second'].map((name) => join(folder, name));
    for (const revision of revisions) await mkdir(revision);
    const [first = '', second = ''] = revisions;
    const { key } = await new KeyFile(first).create('laptop', 'teach');
    await copyFile(join(first, 'keys.json'), join(second, 'keys.json'));
    await new KeyFile(second).revoke('laptop');
    await symlink(first, join(folder, '..data'));
    await symlink(join('..data', 'keys.json'), file.path);

    const ring = await KeyRing.open(file, logger);
    expect(ring.find(key)?.name).toBe('laptop');
    await symlink(second, join(folder, '..next'));
    await rename(join(folder, '..next'), join(folder, '..data'));
    await ring.look();
    expect([ring.find(key), ring.everHadKeys]).toEqual([undefined, true]);
    ring.close();
  });

  it('keeps its keys when their file is damaged or gone', async () => {
    const { key } = await file.create('laptop', 'teach');
    const ring = await KeyRing.open(file, logger);
    await writeFile(file.path, 'no JSON');
    await ring.look();
    expect(ring.find(key)?.name).toBe('laptop');
    await rm(file.path);
    await ring.look();
    expect([ring.find(key)?.name, ring.everHadKeys]).toEqual(['laptop', true]);
    expect(log.map(({ level }) => level)).toEqual([50, 50]);
    ring.close();
  });
});
