import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, UNFINISHED } from '../../common/durable-files.ts';
import { removeUnlessLocked, STAGING_DIR, withStagingFolder } from '../../common/staging-folder.ts';
import { MODEL_NAME } from '../../registry/manifest.ts';
import { PULLING_DIR } from './model-puller.ts';

/** The key of a conversion, at the beginning of the names of its folders: `<key>`, `<key>-layers`. */
const KEYED = /^([0-9a-f]{64})\b/;

/**
 * Removes a pulled or imported model, and what interrupted pulls of it left.
 *
 * @returns the bytes freed; undefined when there was nothing to remove
 * @throws Error while the model is being pulled
 */
export async function removePulled(pulledDir: string, name: string): Promise<number | undefined> {
  if (!MODEL_NAME.test(name)) return undefined;
  const work = join(pulledDir, PULLING_DIR, name);
  const found = [join(pulledDir, name), work].map((folder) => bytesUnder(folder));
  const sizes = (await Promise.all(found)).filter((size) => size !== undefined);
  if (!(await removeUnlessLocked(work))) throw new Error(`${name} is being pulled: cancel the pull first`);
  // Renamed first, so that no process reads a model that is partly removed.
  await withStagingFolder(join(pulledDir, STAGING_DIR), async (staging) => {
    try {
      await rename(join(pulledDir, name), join(staging, name));
    } catch (thrown) {
      if (errnoOf(thrown) !== 'ENOENT') throw thrown;
    }
  });
  return sizes.length === 0 ? undefined : sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Removes from a data folder what no model refers to: conversions and features of models that are gone, interrupted
 * pulls and imports, and files of processes that died. No server may use the folder meanwhile; pulls, imports and
 * conversions of other processes are left alone.
 *
 * @param keys the keys of the conversions of all models
 * @param quantizationKeys those of their quantized variants
 * @returns the paths that were removed, relative to the data folder, and the bytes freed
 */
export async function collectGarbage(
  dataDir: string,
  keys: ReadonlySet<string>,
  quantizationKeys: ReadonlySet<string>,
): Promise<{ removed: string[]; bytes: number }> {
  const isUnknown = (name: string) => !keys.has(KEYED.exec(name)?.[1] ?? '');
  const garbage = [
    ...(await entriesOf(dataDir, 'converted', (name) => !name.endsWith(UNFINISHED) && isUnknown(name))),
    ...(await entriesOf(dataDir, 'features', (name) => KEYED.test(name) && isUnknown(name))),
    ...(await entriesOf(dataDir, 'quantized', (name) => KEYED.test(name) && !quantizationKeys.has(name))),
    ...(await entriesOf(dataDir, 'work')),
    ...(await entriesOf(dataDir, 'uploads')),
  ];
  const lockable = [
    ...(await entriesOf(dataDir, 'converted', (name) => name.endsWith(UNFINISHED))),
    ...(await entriesOf(dataDir, 'quantized', (name) => name.endsWith(UNFINISHED))),
    ...(await entriesOf(dataDir, join('zoo', STAGING_DIR))),
    ...(await entriesOf(dataDir, join('zoo', PULLING_DIR))),
  ];
  const removed: string[] = [];
  let bytes = 0;
  for (const path of [...garbage, ...lockable]) {
    const folder = join(dataDir, path);
    const size = (await bytesUnder(folder)) ?? 0;
    if (!lockable.includes(path)) await rm(folder, { recursive: true, force: true });
    else if (!(await removeUnlessLocked(folder))) continue;
    removed.push(path);
    bytes += size;
  }
  return { removed, bytes };
}

/** Bytes of a file, or of all files under a folder; undefined when there is no such path. */
async function bytesUnder(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isDirectory()) return found?.size;
  let bytes = 0;
  for (const entry of await readdir(path)) bytes += (await bytesUnder(join(path, entry))) ?? 0;
  return bytes;
}

async function entriesOf(
  dataDir: string,
  folder: string,
  matches: (name: string) => boolean = () => true,
): Promise<string[]> {
  const names = await readdir(join(dataDir, folder)).catch(() => []);
  return names
    .sort()
    .filter(matches)
    .map((name) => join(folder, name));
}
