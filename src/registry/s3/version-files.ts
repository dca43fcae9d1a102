import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { AppError, messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/logger.ts';
import { messageWithoutPath } from '../../common/storage-error.ts';
import { versionFilesIn } from '../version-folder.ts';
import { FILES } from './abandoned-files.ts';
import type { S3Bucket } from './bucket.ts';
import type { BucketHealth } from './bucket-health.ts';
import { FileCache } from './file-cache.ts';
import type { FileEntry, VersionEntry } from './model-record.ts';

/**
 * Files of at most this many bytes come to this machine with the first file of their version that is used, which is its
 * manifest: so cards and reports can be read when the bucket is lost. Weights and detectors are larger.
 */
const SMALL_BYTES = 256 * 1024;

/** The files of a version, and the folder of the bucket that they are in. */
export type UploadedFiles = Pick<VersionEntry, 'folder' | 'files'>;

/** Dependencies of `VersionFiles`. */
export interface VersionFilesParts {
  readonly bucket: S3Bucket;
  readonly health: BucketHealth;
  readonly cacheFolder: string;
  readonly cacheBytes: number;
  readonly logger: Logger;
}

/** The files of versions in a bucket, each upload in a folder of its own, and the copies of them on this machine. */
export class VersionFiles {
  readonly #parts: VersionFilesParts;
  readonly #cache: FileCache;
  /** Folders of the versions whose small files were asked for. */
  readonly #begun = new Set<string>();
  /** One file after the other, so that those that somebody waits for come first. */
  #ahead: Promise<unknown> = Promise.resolve();
  #missed = 0;

  constructor(parts: VersionFilesParts) {
    this.#parts = parts;
    this.#cache = new FileCache({ folder: parts.cacheFolder, budgetBytes: parts.cacheBytes });
  }

  /** Uploads all files of a folder of this machine. */
  async upload(name: string, from: string): Promise<UploadedFiles> {
    const folder = randomUUID();
    const files: FileEntry[] = [];
    try {
      for (const file of await versionFilesIn(from)) {
        files.push(await this.#upload(join(from, file), name, folder, file));
      }
    } catch (thrown) {
      // Above all a full bucket needs the room.
      void this.remove(name, { folder, files });
      throw thrown;
    }
    return { folder, files };
  }

  /**
   * The path of a copy on this machine, which is fetched if it is not here.
   * @throws AppError `model_unavailable` when the file is damaged, missing or cannot be fetched; `storage_full`
   */
  async localPath(name: string, version: number, entry: UploadedFiles, file: string): Promise<string> {
    const path = await this.#copy(name, version, entry, file);
    if (!this.#begun.has(entry.folder)) this.#copyAhead(name, version, entry, file);
    return path;
  }

  /** Copies the other small files of a version. One that cannot be fetched is tried again when it is asked for. */
  #copyAhead(name: string, version: number, entry: UploadedFiles, copied: string): void {
    this.#begun.add(entry.folder);
    for (const { file, size_bytes } of entry.files) {
      if (size_bytes > SMALL_BYTES || file === copied) continue;
      this.#ahead = this.#ahead
        .then(() => (this.#parts.health.isClosed ? undefined : this.#copy(name, version, entry, file)))
        .catch(() => undefined);
    }
  }

  async #copy(name: string, version: number, entry: UploadedFiles, file: string): Promise<string> {
    const { bucket, health } = this.#parts;
    const known = fileOf(name, version, entry, file);
    const what = `${name}/${version}/${file}`;
    try {
      return await this.#cache.get(known, async (path) => {
        const isThere = await health.ask(() => bucket.download(keyOf(name, entry.folder, file), path));
        if (!isThere) throw new AppError('model_unavailable', `${what} is missing`);
      });
    } catch (thrown) {
      if (thrown instanceof AppError && ['model_unavailable', 'storage_full'].includes(thrown.code)) throw thrown;
      const isUnreachable = thrown instanceof AppError;
      if (isUnreachable) this.#missed += 1;
      const reason = isUnreachable ? 'cannot be fetched' : 'is damaged';
      throw new AppError('model_unavailable', `${what} ${reason}: ${messageWithoutPath(thrown)}`, { cause: thrown });
    }
  }

  /** How often a file could not be fetched so far: each is worth another try. */
  get missed(): number {
    return this.#missed;
  }

  /** Removes files that belong to no version any more; those that cannot be removed now are abandoned. */
  async remove(name: string, { folder, files }: UploadedFiles): Promise<void> {
    const { bucket, logger } = this.#parts;
    try {
      for (const { file } of files) await bucket.remove(keyOf(name, folder, file));
    } catch (thrown) {
      logger.warn({ model: name, folder, reason: messageOf(thrown) }, 'files in the bucket cannot be removed yet');
    }
  }

  async #upload(path: string, name: string, folder: string, file: string): Promise<FileEntry> {
    const { bucket, health } = this.#parts;
    const hash = createHash('sha256');
    let size_bytes = 0;
    const hashed = async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        size_bytes += chunk.length;
        yield chunk;
      }
    };
    await health.write(() => bucket.upload(keyOf(name, folder, file), hashed(createReadStream(path))));
    return { file, size_bytes, sha256: hash.digest('hex') };
  }
}

/** A file as the record of a version has it. @throws Error when the version never had it */
export function fileOf(name: string, version: number, { files }: UploadedFiles, file: string): FileEntry {
  const found = files.find((each) => each.file === file);
  if (found === undefined) throw new Error(`version ${version} of model "${name}" never had a file ${file}`);
  return found;
}

function keyOf(name: string, folder: string, file: string): string {
  return `${folderKey(name, folder)}${file}`;
}

/** What the keys of the files in a folder begin with. */
export function folderKey(name: string, folder: string): string {
  return `${FILES}${name}/${folder}/`;
}
