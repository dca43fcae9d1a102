import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../common/errors.ts';
import { isRunning, processStamp } from '../../common/process-stamp.ts';

/** Folder of marks, one per user of the cache: `<process stamp>_<random>`, a JSON list of the files that it uses. */
const USERS = '.users';
/** Marks of killed containers, whose end cannot be seen, expire after a day. */
const MAX_USE_MS = 24 * 3_600_000;
const namesSchema = z.array(z.string());

/**
 * Keeps `trimCache`, in any process, from removing files of a cache. Where the mark cannot be written, on a full or
 * read-only disk, the files are not protected: they are only a cache.
 * @param paths files below `folder`, which need not exist
 * @returns ends the protection, as the end of this process does
 */
export function useCacheFiles(folder: string, paths: readonly string[]): () => void {
  const users = join(folder, USERS);
  const mark = join(users, `${processStamp()}_${randomUUID()}`);
  try {
    mkdirSync(users, { recursive: true });
    writeFileSync(mark, JSON.stringify(paths.map((path) => relative(folder, path))));
  } catch (thrown) {
    console.warn(`the files of the cache ${folder} are not protected: ${messageOf(thrown)}`);
  }
  return () => removeQuietly(mark);
}

/**
 * Removes files of a cache until the others have at most `maxBytes`: those first that were used longest ago, by their
 * modification time, which every user of a file sets. Files in use stay, even if they alone are more. Empty folders
 * stay too, since another process may be about to write there. What cannot be removed stays.
 */
export async function trimCache(folder: string, maxBytes: number): Promise<void> {
  const used = await usedFiles(folder);
  const files = await cachedFiles(folder);
  let bytes = files.reduce((sum, { size }) => sum + size, 0);
  for (const { name, size, usedAt } of files.sort((a, b) => a.usedAt - b.usedAt)) {
    if (bytes <= maxBytes) return;
    if (used.has(name)) continue;
    const path = join(folder, name);
    // Another process may have begun to use it since.
    if ((await stat(path).catch(() => undefined))?.mtimeMs === usedAt) removeQuietly(path);
    bytes -= size;
  }
}

interface CachedFile {
  /** Path relative to the folder. */
  readonly name: string;
  readonly size: number;
  readonly usedAt: number;
}

async function cachedFiles(folder: string): Promise<CachedFile[]> {
  const files: CachedFile[] = [];
  for (const name of await namesBelow(folder)) {
    if (name.startsWith(USERS)) continue;
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found !== undefined) files.push({ name, size: found.size, usedAt: found.mtimeMs });
  }
  return files;
}

/**
 * Names of all files, relative to `folder`. Folder by folder, since `readdir` of a whole tree fails when one of them is
 * removed meanwhile.
 */
async function namesBelow(folder: string, within = ''): Promise<string[]> {
  const entries = await readdir(join(folder, within), { withFileTypes: true }).catch(() => []);
  const nested = entries.map(async (entry) => {
    const name = join(within, entry.name);
    if (entry.isDirectory()) return namesBelow(folder, name);
    return entry.isFile() ? [name] : [];
  });
  return (await Promise.all(nested)).flat();
}

/** The files that running processes use. Marks of processes that have ended are removed. */
async function usedFiles(folder: string): Promise<ReadonlySet<string>> {
  const users = join(folder, USERS);
  const used = new Set<string>();
  for (const mark of await readdir(users).catch(() => [])) {
    const [stamp = ''] = mark.split('_');
    const path = join(users, mark);
    const { mtimeMs = 0 } = (await stat(path).catch(() => undefined)) ?? {};
    if (!isRunning(stamp) || Date.now() - mtimeMs > MAX_USE_MS) removeQuietly(path);
    else for (const name of await namesIn(path)) used.add(name);
  }
  return used;
}

/** The names in a mark; none when it is gone, damaged or still being written. */
async function namesIn(mark: string): Promise<string[]> {
  try {
    return namesSchema.parse(JSON.parse(await readFile(mark, 'utf8')));
  } catch {
    return [];
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // On a read-only disk it stays.
  }
}
