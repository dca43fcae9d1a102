import { randomUUID } from 'node:crypto';
import { link, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, readIfThere, UNFINISHED } from './durable-files.ts';
import { isRunning, processStamp } from './process-stamp.ts';

const LOCK_FILE = 'lock';
const TRIES = 5;

/** A running process holds the folder. */
export class FolderLockedError extends Error {}

/**
 * Makes this process the folder's only user, until the function that it gives is called or the process ends.
 * @throws FolderLockedError when a running process holds the folder
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, LOCK_FILE);
  const mine = join(folder, `${LOCK_FILE}.${randomUUID()}${UNFINISHED}`);
  await writeFile(mine, processStamp());
  try {
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      try {
        // A link appears whole and only where there is none: nobody can read a lock that is half written.
        await link(mine, path);
        return () => rm(path, { force: true });
      } catch (thrown) {
        if (errnoOf(thrown) !== 'EEXIST') throw thrown;
      }
      await removeAbandoned(path);
    }
    throw new FolderLockedError(`${folder} could not be locked: other processes keep taking it`);
  } finally {
    await rm(mine, { force: true });
  }
}

/** Takes away the lock of a process that ended. @throws FolderLockedError when it still runs */
async function removeAbandoned(path: string): Promise<void> {
  const holder = await readIfThere(path);
  if (holder === undefined) return;
  if (isRunning(holder)) {
    throw new FolderLockedError(
      `another process (${holder.split('-')[0]}) works with ${path.slice(0, -LOCK_FILE.length - 1)}: ` +
        `end it or use another folder. If there is none, remove ${path}`,
    );
  }
  const aside = `${path}.${randomUUID()}${UNFINISHED}`;
  try {
    await rename(path, aside);
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return;
    throw thrown;
  }
  // Between reading and renaming another process may have done all this and locked the folder: give it back.
  if ((await readIfThere(aside)) !== holder) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}
