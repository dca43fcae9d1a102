import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderLockedError, lockFolder } from '../../src/common/folder-lock.ts';

const HOLDER = new URL('lock-holder.js', import.meta.url).pathname;
/** Runs a program in a PID namespace of its own, as a container does; killed with this process. */
const NAMESPACE = ['--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL'];
const canUnshare = spawnSync('unshare', [...NAMESPACE, 'true']).status === 0;

let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lock-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) await end(child);
  await rm(folder, { recursive: true });
});

/** Starts a process that locks the folder; gives the first line that it writes. */
async function startHolder(wrapper: readonly string[] = []): Promise<{ child: ChildProcess; line: string }> {
  const [program = process.execPath, ...args] = [...wrapper, process.execPath, HOLDER, folder];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = await once(createInterface(child.stdout), 'line');
  return { child, line };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function namesLeft(): Promise<string[]> {
  return (await readdir(folder)).sort();
}

describe('a locked folder', () => {
  it('has one user at a time, and can be locked again when it was released', async () => {
    const release = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(FolderLockedError);
    await release();
    await (await lockFolder(folder))();
    expect(await namesLeft()).toEqual([]);
  });

  it('says which process has it and since when', async () => {
    const since = new Date().toISOString().slice(0, 13);
    const release = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(
      new RegExp(`${folder} is in use by process ${process.pid} on ${hostname()} since ${since}.*; stop it, or use`),
    );
    await release();
  });

  it('is free again as soon as its owner is killed', async () => {
    const { child, line } = await startHolder();
    expect(line).toBe('locked');
    await expect(lockFolder(folder)).rejects.toThrow(`process ${child.pid}`);
    await end(child);
    await (await lockFolder(folder))();
    expect(await namesLeft()).toEqual([]);
  });

  it('stays locked while its owner is stopped', async () => {
    const { child } = await startHolder();
    child.kill('SIGSTOP');
    await expect(lockFolder(folder)).rejects.toThrow(FolderLockedError);
  });

  it('has never two owners, however many come at the same time', async () => {
    const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)));
    const locks = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
    expect(locks.length).toBeLessThanOrEqual(1);
    for (const release of locks) await release();
    await (await lockFolder(folder))();
  });

  it('may have a path that is too long for a socket', async () => {
    const deep = join(folder, 'a'.repeat(100), 'b'.repeat(100));
    await mkdir(deep, { recursive: true });
    const release = await lockFolder(deep);
    await expect(lockFolder(deep)).rejects.toThrow(/; stop it/);
    await release();
    expect(await readdir(deep)).toEqual([]);
  });
});

describe.skipIf(!canUnshare)('between containers (skipped where `unshare --pid` is not permitted)', () => {
  const inContainer = ['unshare', ...NAMESPACE];

  it('a folder that is locked in one is refused in another', async () => {
    expect((await startHolder(inContainer)).line).toBe('locked');
    expect((await startHolder(inContainer)).line).toMatch(/is in use by process 1 on .* since \d{4}-/);
    await expect(lockFolder(folder)).rejects.toThrow('process 1 on');
  });

  it('a folder is free as soon as the container of its owner is killed', async () => {
    const { child } = await startHolder(inContainer);
    await end(child);
    await expect.poll(async () => (await startHolder(inContainer)).line, { timeout: 10_000 }).toBe('locked');
  });
});

describe('an owner on another machine', () => {
  const id = '0123456789abcdef';
  const owner = { kernel: 'of another machine', host: 'web-2', pid: 7, since: '2026-01-01T00:00:00.000Z' };

  it('has the folder as long as it shows that it is alive', async () => {
    await writeFile(join(folder, `lock.${id}`), JSON.stringify(owner));
    await expect(lockFolder(folder)).rejects.toThrow(
      /process 7 on web-2 since 2026-01-01T00:00:00.000Z, which was alive \d s ago; .* silent for 30 s/,
    );
  });

  it('loses it after 30 s without a sign of life', async () => {
    await writeFile(join(folder, `lock.${id}`), JSON.stringify(owner));
    const past = Date.now() / 1000 - 31;
    await utimes(join(folder, `lock.${id}`), past, past);
    const release = await lockFolder(folder);
    expect(await namesLeft()).not.toContain(`lock.${id}`);
    await release();
  });
});

it('a lock file that a crash left incomplete is ignored', async () => {
  await writeFile(join(folder, 'lock.0123456789abcdef.tmp'), '{');
  await (await lockFolder(folder))();
});

it('the owner of a damaged lock file counts as a process of this machine, and as ended when it shows no sign of life', async () => {
  const path = join(folder, 'lock.0123456789abcdef');
  await writeFile(path, 'garbage');
  await expect(lockFolder(folder)).rejects.toThrow('another process');
  await utimes(path, 1, 1);
  await (await lockFolder(folder))();
});

it('a folder that does not exist cannot be locked', async () => {
  await expect(lockFolder(join(folder, 'none'))).rejects.toThrow('ENOENT');
});
