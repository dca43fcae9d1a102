import { randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, makeFolder, UNFINISHED } from './durable-files.ts';
import { FolderLockedError, lockFolder } from './folder-lock.ts';

/** Name of the folder that contains staging folders, inside a folder of models. */
export const STAGING_DIR = '.staging';

/**
 * Lets `work` use a new folder, which other processes leave alone, and removes it at the end. What is to stay is
 * renamed out of it.
 * @param parent made when it is not there; the new folder is on its file system
 */
export async function withStagingFolder<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  const { folder, remove } = await createStagingFolder(parent);
  try {
    return await work(folder);
  } finally {
    await remove();
  }
}

/** Removes the staging folders of processes that have ended. */
export async function removeAbandonedStaging(parent: string): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    if (name.endsWith(UNFINISHED)) await removeUnlessLocked(join(parent, name));
  }
}

/** Removes a folder that no process has locked. @returns whether it is gone */
export async function removeUnlessLocked(folder: string): Promise<boolean> {
  let release: () => Promise<void>;
  try {
    release = await lockFolder(folder);
  } catch (thrown) {
    if (thrown instanceof FolderLockedError) return false;
    if (errnoOf(thrown) === 'ENOENT') return true;
    throw thrown;
  }
  await removeFolder(folder);
  await release();
  return true;
}

/**
 * Creates a folder as `withStagingFolder` does, for work that ends elsewhere. `remove` does nothing the second time.
 */
export async function createStagingFolder(parent: string): Promise<{ folder: string; remove: () => Promise<void> }> {
  for (;;) {
    const folder = join(parent, `${randomUUID()}${UNFINISHED}`);
    await makeFolder(folder);
    try {
      const release = await lockFolder(folder);
      const remove = async (): Promise<void> => {
        await removeFolder(folder);
        await release();
      };
      return { folder, remove };
    } catch (thrown) {
      await removeFolder(folder);
      // Otherwise another process that removes abandoned folders was faster than the lock.
      if (!(thrown instanceof FolderLockedError) && errnoOf(thrown) !== 'ENOENT') throw thrown;
    }
  }
}

/** Another process that looks whether the folder is locked adds files to it for a moment. */
async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
