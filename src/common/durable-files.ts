import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Ending of files and folders that are being written. After a crash, those that have it can be removed. */
export const UNFINISHED = '.tmp';

/** Waits until the content of a file, or the list of names of a folder, is on the disk. */
export async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces a file so that a crash or a power cut at any moment leaves either the old content or the new one. The
 * folder must exist. The new content is on the disk when the promise resolves.
 */
export async function writeFileDurably(path: string, content: string): Promise<void> {
  const unfinished = `${path}.${randomUUID()}${UNFINISHED}`;
  try {
    const handle = await open(unfinished, 'wx');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, path);
  } catch (thrown) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    // The error of a full disk does not name the file.
    throw thrown instanceof Error ? Object.assign(thrown, { path }) : thrown;
  }
  await syncToDisk(dirname(path));
}

/**
 * Creates a folder and its parents, unless they exist. `mkdir` of Node with `recursive` says ENOENT where the disk is
 * read-only; this says EROFS.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT' && dirname(path) !== path) {
      await makeFolder(dirname(path));
      return await makeFolder(path);
    }
    const exists = errnoOf(thrown) === 'EEXIST' && (await stat(path)).isDirectory();
    if (!exists) throw thrown;
  }
}

/** The text of a file; undefined when it does not exist. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

/** The error code of the operating system, such as `ENOENT`; undefined for other errors. */
export function errnoOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
}
