import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import type { Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { readIfThere, UNFINISHED } from './durable-files.ts';
import { findListener, listenIn } from './folder-socket.ts';

/** Files of one lock: `lock.<id>` describes its owner, `lock.<id>.socket` is there as long as the owner lives. */
const LOCK_FILES = /^lock\.([0-9a-f]{16})(\..*)?$/;
/** How often an owner proves to other machines that it lives, and how long it may be silent. */
const HEARTBEAT_MS = 5_000;
const MAX_SILENCE_MS = 30_000;
/** Two processes that come at the same moment see each other and both step back; then each tries again. */
const TRIES = 5;
const MAX_STEP_BACK_MS = 100;

const ownerSchema = z.object({
  /** Kernels with the same id are the same: their sockets reach each other, from container to container. */
  kernel: z.string(),
  host: z.string(),
  pid: z.number(),
  /** ISO 8601 in UTC. */
  since: z.string(),
});

type Owner = z.output<typeof ownerSchema>;

/** Another process has locked the folder. */
export class FolderLockedError extends Error {}

/**
 * Makes this process the only user of a folder, until it calls the returned function or ends, in whatever way.
 *
 * Process ids mean nothing in another container, so the lock is a listening socket: the kernel closes it when its
 * process ends, and every process of the machine that sees the folder can try to connect. Where a folder has no
 * sockets, or the owner is on another machine, the owner counts as ended after 30 s without a heartbeat. An owner that
 * is stopped for longer than that can be replaced from another machine, not from its own.
 * @throws FolderLockedError that says who has the folder and since when; the error of the file system when the folder
 * cannot be written
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  for (let attempt = 1; ; attempt += 1) {
    const lock = await Lock.create(folder);
    try {
      const others = await lock.others();
      if (others.length === 0) return () => lock.release();
      if (attempt === TRIES) throw new FolderLockedError(`${folder} is in use by ${others.join(' and ')}`);
    } catch (thrown) {
      await lock.release();
      throw thrown;
    }
    await lock.release();
    await delay(Math.random() * MAX_STEP_BACK_MS);
  }
}

/**
 * A claim to a folder. It is visible to others before it looks for them: of two claims, one at least sees the other.
 */
class Lock {
  readonly #folder: string;
  readonly #id = randomBytes(8).toString('hex');
  #socket: Server | undefined;
  #file: FileHandle | undefined;
  #heartbeat: NodeJS.Timeout | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(folder: string): Promise<Lock> {
    const lock = new Lock(folder);
    try {
      await lock.#announce();
      return lock;
    } catch (thrown) {
      await lock.release();
      throw thrown;
    }
  }

  async #announce(): Promise<void> {
    this.#socket = await listenIn(this.#folder, socketName(this.#id));
    const owner: Owner = {
      kernel: await kernelId(),
      host: hostname(),
      pid: process.pid,
      since: new Date().toISOString(),
    };
    const text = `${JSON.stringify(owner)}\n`;
    const path = join(this.#folder, lockName(this.#id));
    const file = await open(path + UNFINISHED, 'wx');
    this.#file = file;
    // Written rather than touched: then the time is that of the disk's own clock, the same for all machines. A disk
    // that is full still takes an empty file, and the socket.
    const beat = () => file.write(text, 0).catch(() => undefined);
    await beat();
    await rename(path + UNFINISHED, path);
    this.#heartbeat = setInterval(beat, HEARTBEAT_MS).unref();
  }

  /** Describes the other owners that are alive, and removes the files of those that have ended. */
  async others(): Promise<string[]> {
    const found = await readdir(this.#folder);
    const ids = new Set(found.flatMap((name) => LOCK_FILES.exec(name)?.[1] ?? []));
    ids.delete(this.#id);
    const { mtimeMs: now } = await stat(join(this.#folder, lockName(this.#id)));
    const living: string[] = [];
    for (const id of ids) living.push(...(await this.#ownerOf(id, now)));
    return living;
  }

  /**
   * Describes the owner of a lock, if it is alive. Removes the lock of one that has ended.
   * @param now by the clock of the disk, in milliseconds
   */
  async #ownerOf(id: string, now: number): Promise<string[]> {
    const path = join(this.#folder, lockName(id));
    const text = await readIfThere(path);
    const owner = parseOwner(text);
    const listener = await findListener(this.#folder, socketName(id));
    // A socket cannot be reached from another kernel.
    const isNear = text === undefined || owner?.kernel === (await kernelId());
    const silence = Math.max(0, now - ((await stat(path).catch(() => undefined))?.mtimeMs ?? 0));
    const isSilent = text !== undefined && listener !== 'alive' && silence > MAX_SILENCE_MS;
    if (isSilent || (listener === 'ended' && isNear)) {
      await removeLock(this.#folder, id);
      return [];
    }
    // Not a claim yet: its owner will see this one when it looks for others.
    if (text === undefined) return [];
    const who = owner === undefined ? 'another process' : `process ${owner.pid} on ${owner.host} since ${owner.since}`;
    if (listener === 'alive') return [`${who}; stop it, or use another folder`];
    return [
      `${who}, which was alive ${Math.round(silence / 1000)} s ago; stop it, or use another folder. ` +
        `If it is gone, try again when it has been silent for ${MAX_SILENCE_MS / 1000} s`,
    ];
  }

  /** Ends the lock. Its files stay when they cannot be removed, such as on a disk that has become read-only. */
  async release(): Promise<void> {
    clearInterval(this.#heartbeat);
    await removeLock(this.#folder, this.#id).catch(() => undefined);
    await this.#file?.close();
    this.#file = undefined;
    this.#socket?.close();
  }
}

function lockName(id: string): string {
  return `lock.${id}`;
}

function socketName(id: string): string {
  return `${lockName(id)}.socket`;
}

async function removeLock(folder: string, id: string): Promise<void> {
  for (const name of [lockName(id), lockName(id) + UNFINISHED, socketName(id)]) {
    await rm(join(folder, name), { force: true });
  }
}

function parseOwner(text = ''): Owner | undefined {
  try {
    return ownerSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Identifies the running kernel, which containers share: by its boot, or by the host where that is unknown. */
async function kernelId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(hostname)).trim();
}
