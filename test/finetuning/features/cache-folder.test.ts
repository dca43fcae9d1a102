import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { trimCache, useCacheFiles } from '../../../src/finetuning/features/cache-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'menagerie-cache-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Creates a file of 100 bytes that was last used some days ago. */
function file(name: string, days: number): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.alloc(100));
  const then = new Date(Date.now() - days * 86_400_000);
  utimesSync(path, then, then);
  return path;
}

const left = (...paths: string[]) => paths.map((path) => existsSync(path));

describe('a cache that holds too much', () => {
  test('loses the files that were used longest ago, and no more than necessary', async () => {
    const [old, older, fresh] = [file('a/1.bin', 2), file('b/2.bin', 9), file('a/3.bin', 0)];
    await trimCache(folder, 300);
    expect(left(old, older, fresh)).toEqual([true, true, true]);
    await trimCache(folder, 299);
    expect(left(old, older, fresh)).toEqual([true, false, true]);
    await trimCache(folder, 0);
    expect(left(old, older, fresh)).toEqual([false, false, false]);
  });

  test('keeps what is in use, whatever its age, until it is released', async () => {
    const [used, other] = [file('a/1.bin', 9), file('a/2.bin', 1)];
    const release = useCacheFiles(folder, [used]);
    await trimCache(folder, 0);
    expect(left(used, other)).toEqual([true, false]);
    release();
    await trimCache(folder, 0);
    expect(left(used)).toEqual([false]);
  });

  test('is trimmed while others create and remove folders', async () => {
    const kept = file('a/1.bin', 1);
    let trimming = true;
    const others = Array.from({ length: 8 }, async (_, index) => {
      for (let i = 0; trimming; i++) {
        const made = join(folder, `other-${index}-${i}`);
        await mkdir(made);
        await rm(made, { recursive: true });
      }
    });
    try {
      for (let i = 0; i < 50; i++) await trimCache(folder, 100);
    } finally {
      trimming = false;
      await Promise.all(others);
    }
    expect(left(kept)).toEqual([true]);
  });

  test('is not protected by a process that died', async () => {
    const used = file('a/1.bin', 9);
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    mkdirSync(join(folder, '.users'));
    writeFileSync(join(folder, '.users', `${child.pid}-1_x`), JSON.stringify(['a/1.bin']));
    await trimCache(folder, 0);
    expect(left(used)).toEqual([false]);
    expect(readdirSync(join(folder, '.users'))).toEqual([]);
  });

  test('does not make a job fail where nothing can be written', async () => {
    const notAFolder = join(folder, 'file');
    writeFileSync(notAFolder, '');
    const release = useCacheFiles(notAFolder, [join(notAFolder, 'a.bin')]);
    await trimCache(notAFolder, 0);
    release();
  });
});
