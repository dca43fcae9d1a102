import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, UNFINISHED } from '../../common/durable-files.ts';
import { FileVerifier } from '../version-folder.ts';
import type { FileEntry } from './model-record.ts';

/** A transfer that breaks off, or bytes that are wrong, are worth another try. */
const TRIES = 3;
/** No file has it: every file is hashed before this process hands it out for the first time. */
const NO_TIME = Number.NaN;

/**
 * Copies that were asked for in the last day and a half stay, since whoever asked, in any process, may still read them: a
 * thorough search for a fine-tune may take a day.
 */
const IN_USE_MS = 36 * 3_600_000;

/** Dependencies of `FileCache`. */
export interface FileCacheParts {
  readonly folder: string;
  /** The least recently used files are removed before the folder takes more than this, unless they may be in use. */
  readonly budgetBytes: number;
}

/**
 * Copies of files, in folders by their SHA-256: one copy serves all versions that share it, and a copy that does not
 * have its digest is fetched again. Several processes may share the folder.
 */
export class FileCache {
  readonly #parts: FileCacheParts;
  readonly #verifier = new FileVerifier();
  readonly #pending = new Map<string, Promise<void>>();

  constructor(parts: FileCacheParts) {
    this.#parts = parts;
  }

  /**
   * The path of a copy, whose digest was verified.
   * @param fetch writes the file to a path
   * @throws what `fetch` throws; Error when the fetched file does not have its digest
   */
  async get(file: FileEntry, fetch: (path: string) => Promise<void>): Promise<string> {
    const path = join(this.#parts.folder, file.sha256, file.file);
    const pending = this.#pending.get(path) ?? this.#provide(path, file, fetch);
    this.#pending.set(path, pending);
    try {
      await pending;
    } finally {
      this.#pending.delete(path);
    }
    return path;
  }

  async #provide(path: string, file: FileEntry, fetch: (path: string) => Promise<void>): Promise<void> {
    const record = { ...file, mtime_ms: NO_TIME };
    const isSound = await this.#verifier.verify(path, record).then(
      () => true,
      () => false,
    );
    if (isSound) return await this.#touch(file.sha256);
    await this.#makeRoom(file);
    await makeFolder(join(this.#parts.folder, file.sha256));
    for (let attempt = 1; ; attempt += 1) {
      const unfinished = `${path}.${randomUUID()}${UNFINISHED}`;
      try {
        await fetch(unfinished);
        await rename(unfinished, path);
        return await this.#verifier.verify(path, record);
      } catch (thrown) {
        for (const wrong of [unfinished, path]) await rm(wrong, { force: true });
        if (attempt === TRIES) throw thrown;
      }
    }
  }

  /** Marks a copy as used now. Its time does not change, by which it is known to be verified. */
  async #touch(sha256: string): Promise<void> {
    const now = new Date();
    // On a disk that cannot be written nothing is evicted either.
    await utimes(join(this.#parts.folder, sha256), now, now).catch(() => undefined);
  }

  /** Removes copies until a file fits into the budget, and what fetches have left that were broken off. */
  async #makeRoom({ sha256, size_bytes }: FileEntry): Promise<void> {
    const copies = await this.#copies();
    let bytes = size_bytes + copies.reduce((sum, copy) => sum + copy.bytes, 0);
    for (const copy of copies.sort((a, b) => a.usedMs - b.usedMs)) {
      if (bytes <= this.#parts.budgetBytes) return;
      if (copy.usedMs > Date.now() - IN_USE_MS) return;
      if (copy.sha256 === sha256) continue;
      await rm(join(this.#parts.folder, copy.sha256), { recursive: true, force: true });
      bytes -= copy.bytes;
    }
  }

  async #copies(): Promise<{ sha256: string; bytes: number; usedMs: number }[]> {
    const { folder } = this.#parts;
    const names = await readdir(folder).catch(() => []);
    return await Promise.all(
      names.map(async (sha256) => {
        const files = await readdir(join(folder, sha256)).catch(() => []);
        const sizes = await Promise.all(files.map((file) => statOf(join(folder, sha256, file))));
        const own = await statOf(join(folder, sha256));
        return { sha256, bytes: sizes.reduce((sum, { size }) => sum + size, 0), usedMs: own.mtimeMs };
      }),
    );
  }
}

/** Size and time of a file; another process may have removed it. */
async function statOf(path: string): Promise<{ size: number; mtimeMs: number }> {
  return await stat(path).catch(() => ({ size: 0, mtimeMs: 0 }));
}
