import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UNFINISHED } from '../../common/durable-files.ts';
import { FolderLockedError, lockFolder } from '../../common/folder-lock.ts';
import { isRunning } from '../../common/process-stamp.ts';
import { bytesUnder } from './bytes-under.ts';

/** A conversion's key, and what is kept of the backbone that it names: `<key>`, `<key>-layers`. */
const KEYED = /^([0-9a-f]{64})\b/;
/** An import that was begun later than this many milliseconds ago may still be under way. */
const IMPORT_MS = 3_600_000;

/**
 * Removes from a data folder what no model refers to: conversions and features of models that are no more, pulls that were
 * never finished, and what died while it was being written. No server may work with the folder; pulls and conversions that
 * are under way are left alone.
 * @param keys of the conversions of all models that there are
 * @returns what was removed, from the data folder on, and its bytes
 */
export async function collectGarbage(
  dataDir: string,
  keys: ReadonlySet<string>,
): Promise<{ removed: string[]; bytes: number }> {
  const isUnknown = (name: string) => !keys.has(KEYED.exec(name)?.[1] ?? '');
  const garbage = [
    ...(await entriesOf(dataDir, 'converted', (name) =>
      name.endsWith(UNFINISHED) ? !isRunning(name.split('.').at(-2)?.split('_')[0] ?? '') : isUnknown(name),
    )),
    ...(await entriesOf(dataDir, 'features', (name) => KEYED.test(name) && isUnknown(name))),
    ...(await entriesOf(dataDir, 'zoo', (name) => name.endsWith(UNFINISHED) && isOld(join(dataDir, 'zoo', name)))),
    ...(await entriesOf(dataDir, join('zoo', '.pulling'), (name) =>
      isAbandoned(join(dataDir, 'zoo', '.pulling', name)),
    )),
    ...(await entriesOf(dataDir, 'work', () => true)),
    ...(await entriesOf(dataDir, 'uploads', () => true)),
  ];
  let bytes = 0;
  for (const path of garbage) {
    bytes += await bytesUnder(join(dataDir, path));
    await rm(join(dataDir, path), { recursive: true, force: true });
  }
  return { removed: garbage, bytes };
}

async function isOld(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > IMPORT_MS;
}

/** Whether nobody pulls into the folder. */
async function isAbandoned(folder: string): Promise<boolean> {
  try {
    const unlock = await lockFolder(folder);
    await unlock();
    return true;
  } catch (thrown) {
    if (thrown instanceof FolderLockedError) return false;
    throw thrown;
  }
}

async function entriesOf(
  dataDir: string,
  folder: string,
  matches: (name: string) => boolean | Promise<boolean>,
): Promise<string[]> {
  const names = await readdir(join(dataDir, folder)).catch(() => []);
  const found: string[] = [];
  for (const name of names.sort()) if (await matches(name)) found.push(join(folder, name));
  return found;
}
