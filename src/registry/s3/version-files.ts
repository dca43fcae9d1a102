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

/** The files of a version, and the folder of the bucket that they are in. */
export type UploadedFiles = Pick<VersionEntry, 'folder' | 'files'>;

/** Dependencies of `VersionFiles`. */
export interface VersionFilesParts {
  readonly bucket: S3Bucket;
  readonly health: BucketHealth;
  readonly cacheFolder: string;
  readonly cacheBytes: number;
  /** Whether a version has a file of this SHA-256. */
  readonly isOfVersion: (sha256: string) => boolean;
  readonly logger: Logger;
}

/** The files of versions in a bucket, each upload in a folder of its own, and the copies of them on this machine. */
export class VersionFiles {
  readonly #parts: VersionFilesParts;
  readonly #cache: FileCache;
  /** SHA-256 of the files that were handed out. */
  readonly #handedOut = new Set<string>();
  /** Whether a file could not be fetched since `takeMissed` was last called. */
  #missed = false;

  constructor(parts: VersionFilesParts) {
    this.#parts = parts;
    this.#cache = new FileCache({
      folder: parts.cacheFolder,
      budgetBytes: parts.cacheBytes,
      isInUse: (sha256) => this.#handedOut.has(sha256) && parts.isOfVersion(sha256),
    });
  }

  /** Uploads all files of a folder of this machine. */
  async upload(name: string, from: string): Promise<UploadedFiles> {
    const folder = randomUUID();
    const files: FileEntry[] = [];
    for (const file of await versionFilesIn(from)) files.push(await this.#upload(join(from, file), name, folder, file));
    return { folder, files };
  }

  /**
   * The path of a copy on this machine, which is fetched if it is not here.
   * @throws AppError `model_unavailable` when the file is damaged, missing or cannot be fetched; `storage_full`
   */
  async localPath(name: string, version: number, entry: UploadedFiles, file: string): Promise<string> {
    const { bucket, health } = this.#parts;
    const known = entry.files.find((each) => each.file === file);
    if (known === undefined) throw new Error(`version ${version} of model "${name}" never had a file ${file}`);
    this.#handedOut.add(known.sha256);
    const what = `${name}/${version}/${file}`;
    try {
      return await this.#cache.get(known, async (path) => {
        const isThere = await health.ask(() => bucket.download(keyOf(name, entry.folder, file), path));
        if (!isThere) throw new AppError('model_unavailable', `${what} is missing`);
      });
    } catch (thrown) {
      if (thrown instanceof AppError && ['model_unavailable', 'storage_full'].includes(thrown.code)) throw thrown;
      const isUnreachable = thrown instanceof AppError;
      this.#missed ||= isUnreachable;
      const reason = isUnreachable ? 'cannot be fetched' : 'is damaged';
      throw new AppError('model_unavailable', `${what} ${reason}: ${messageWithoutPath(thrown)}`, { cause: thrown });
    }
  }

  /** Whether files could not be fetched since this was last asked: they are worth another try. */
  takeMissed(): boolean {
    const missed = this.#missed;
    this.#missed = false;
    return missed;
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
    await health.ask(() => bucket.upload(keyOf(name, folder, file), hashed(createReadStream(path))));
    return { file, size_bytes, sha256: hash.digest('hex') };
  }
}

function keyOf(name: string, folder: string, file: string): string {
  return `${folderKey(name, folder)}${file}`;
}

/** What the keys of the files in a folder begin with. */
export function folderKey(name: string, folder: string): string {
  return `${FILES}${name}/${folder}/`;
}
