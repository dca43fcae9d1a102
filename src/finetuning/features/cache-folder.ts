import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { errnoOf } from '../../common/durable-files.ts';
import { isRunning, processStamp } from '../../common/process-stamp.ts';

/** Says which files of a cache a process uses: `<process stamp>_<chance>`, with their names in it. */
const USERS = '.users';
const namesSchema = z.array(z.string());

/**
 * Keeps `trimCache`, in whatever process, from removing files of a cache.
 * @param paths files below `folder`, there or not
 * @returns ends the protection, as the end of this process does
 */
export function useCacheFiles(folder: string, paths: readonly string[]): () => void {
  const users = join(folder, USERS);
  mkdirSync(users, { recursive: true });
  const mark = join(users, `${processStamp()}_${randomUUID()}`);
  writeFileSync(mark, JSON.stringify(paths.map((path) => relative(folder, path))));
  return () => rmSync(mark, { force: true });
}

/**
 * Removes files of a cache until the rest has at most `maxBytes`: those first that were used longest ago, by their time of
 * change, which whoever uses a file sets. Files in use stay, even when they alone are more. Empty folders stay too: somebody
 * may be about to write there.
 */
export async function trimCache(folder: string, maxBytes: number): Promise<void> {
  const used = await usedFiles(folder);
  const files = await cachedFiles(folder);
  let bytes = files.reduce((sum, { size }) => sum + size, 0);
  for (const { name, size, usedAt } of files.sort((a, b) => a.usedAt - b.usedAt)) {
    if (bytes <= maxBytes) return;
    if (used.has(name)) continue;
    const path = join(folder, name);
    // Somebody may have begun to use it since.
    if ((await usedAtOf(path)) === usedAt) await rm(path, { force: true });
    bytes -= size;
  }
}

interface CachedFile {
  /** From the folder on. */
  readonly name: string;
  readonly size: number;
  readonly usedAt: number;
}

async function cachedFiles(folder: string): Promise<CachedFile[]> {
  const files: CachedFile[] = [];
  for (const name of await namesBelow(folder)) {
    if (name.startsWith(USERS)) continue;
    const found = await stat(join(folder, name)).catch(ignoreMissing);
    if (found !== undefined) files.push({ name, size: found.size, usedAt: found.mtimeMs });
  }
  return files;
}

/** Names of all files, from `folder` on. Folder by folder, since `readdir` of a whole tree fails when one of them goes. */
async function namesBelow(folder: string, within = ''): Promise<string[]> {
  const entries = (await readdir(join(folder, within), { withFileTypes: true }).catch(ignoreMissing)) ?? [];
  const nested = entries.map(async (entry) => {
    const name = join(within, entry.name);
    if (entry.isDirectory()) return namesBelow(folder, name);
    return entry.isFile() ? [name] : [];
  });
  return (await Promise.all(nested)).flat();
}

async function usedAtOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(ignoreMissing))?.mtimeMs;
}

/** The files that running processes use; marks of those that died are removed. */
async function usedFiles(folder: string): Promise<ReadonlySet<string>> {
  const users = join(folder, USERS);
  const used = new Set<string>();
  for (const mark of (await readdir(users).catch(ignoreMissing)) ?? []) {
    const [stamp = ''] = mark.split('_');
    const path = join(users, mark);
    if (!isRunning(stamp)) await rm(path, { force: true });
    else for (const name of namesOf(await readFile(path, 'utf8').catch(ignoreMissing))) used.add(name);
  }
  return used;
}

/** A mark that is gone, or still being written, names nothing. */
function namesOf(mark: string | undefined): string[] {
  try {
    return namesSchema.parse(JSON.parse(mark ?? '[]'));
  } catch {
    return [];
  }
}

function ignoreMissing(thrown: unknown): undefined {
  if (errnoOf(thrown) !== 'ENOENT') throw thrown;
}
