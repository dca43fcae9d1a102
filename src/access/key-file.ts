import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { checkedJson, parseCheckedJson } from '../common/checked-json.ts';
import { errnoOf, makeFolder, readIfThere, writeFileDurably } from '../common/durable-files.ts';
import { messageOf } from '../common/errors.ts';
import { FolderLockedError, lockFolder } from '../common/folder-lock.ts';
import { createKey, type StoredKey, storedKeySchema } from './api-key.ts';
import type { Scope } from './scope.ts';

/** How often a change waits for another process that changes the keys, which takes milliseconds. */
const LOCK_TRIES = 20;
const LOCK_WAIT_MS = 50;

const keysSchema = z.array(storedKeySchema);

/**
 * The keys of a server, in `DATA_DIR/keys.json`. Revoked ones stay in it: a server that ever had a key never serves
 * without one again because the last was revoked.
 */
export class KeyFile {
  readonly path: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, 'keys.json');
  }

  /**
   * All keys, oldest first; undefined when there is no file.
   * @throws Error that says what is wrong when the file is damaged or cannot be read: it must not pass for no keys
   */
  async read(): Promise<readonly StoredKey[] | undefined> {
    const text = await readIfThere(this.path);
    if (text === undefined) return undefined;
    try {
      return parseCheckedJson(text, keysSchema);
    } catch (thrown) {
      throw new Error(
        `${this.path} is damaged (${messageOf(thrown)}); restore it from a backup, or remove it and make new keys`,
      );
    }
  }

  /** A text that changes when the file does; undefined when there is none. */
  async state(): Promise<string | undefined> {
    try {
      const { mtimeNs, size, ino } = await stat(this.path, { bigint: true });
      return `${mtimeNs} ${size} ${ino}`;
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return undefined;
      throw thrown;
    }
  }

  /** Adds a key. @returns the key itself, which is not stored @throws Error when a valid key has the name */
  async create(name: string, scope: Scope): Promise<{ readonly key: string; readonly stored: StoredKey }> {
    return this.#change(async (keys) => {
      const same = keys.find((each) => each.name === name && each.revoked_at === null);
      if (same !== undefined) {
        throw new Error(
          `there is a key "${name}" already, with the scope ${same.scope}; choose another name, or revoke it`,
        );
      }
      const made = createKey(name, scope);
      return { keys: [...keys, made.stored], result: made };
    });
  }

  /** Revokes the valid key with a name or an id. @throws Error when there is none */
  async revoke(nameOrId: string): Promise<StoredKey> {
    return this.#change(async (keys) => {
      const valid = keys.filter((each) => each.revoked_at === null);
      const found = valid.find(({ id, name }) => id === nameOrId || name === nameOrId);
      if (found === undefined) {
        const names = valid.map(({ name }) => name).join(', ') || 'none';
        throw new Error(`there is no valid key "${nameOrId}"; the valid keys are: ${names}`);
      }
      const revoked = { ...found, revoked_at: new Date().toISOString() };
      return { keys: keys.map((each) => (each === found ? revoked : each)), result: revoked };
    });
  }

  /** Replaces the content, one process at a time. */
  async #change<T>(
    change: (keys: readonly StoredKey[]) => Promise<{ keys: readonly StoredKey[]; result: T }>,
  ): Promise<T> {
    await makeFolder(dirname(this.path));
    const lock = `${this.path}.lock`;
    await makeFolder(lock);
    const release = await locked(lock);
    try {
      const { keys, result } = await change((await this.read()) ?? []);
      await writeFileDurably(this.path, checkedJson(keys));
      return result;
    } finally {
      await release();
    }
  }
}

/** @throws FolderLockedError when another process holds the lock all the time */
async function locked(folder: string): Promise<() => Promise<void>> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await lockFolder(folder);
    } catch (thrown) {
      if (!(thrown instanceof FolderLockedError) || attempt === LOCK_TRIES) throw thrown;
    }
    await delay(Math.random() * LOCK_WAIT_MS);
  }
}
