import { createReadStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, UNFINISHED } from '../../common/durable-files.ts';
import { AppError } from '../../common/errors.ts';
import { type BucketOptions, S3Bucket } from '../../registry/s3/bucket.ts';
import type { JobArchives } from './job-archives.ts';

/** Below this are the archives, beside what the artifact store has in the bucket. */
const ARCHIVES = 'archives/';

/** Archives in a bucket, which machines share that share nothing else. Those that are worked on have a local copy. */
export class BucketArchives implements JobArchives {
  readonly #bucket: S3Bucket;
  readonly #folder: string;

  private constructor(bucket: S3Bucket, folder: string) {
    this.#bucket = bucket;
    this.#folder = folder;
  }

  /**
   * @param folder a folder for copies that no other process uses; it is emptied
   * @throws Error when the client of S3 is missing
   */
  static async open(location: BucketOptions, folder: string): Promise<BucketArchives> {
    await rm(folder, { recursive: true, force: true });
    await makeFolder(folder);
    return new BucketArchives(await S3Bucket.open(location), folder);
  }

  async put(jobId: string, path: string): Promise<void> {
    await this.#bucket.upload(keyOf(jobId), createReadStream(path));
    await rm(path, { force: true });
  }

  async fetch(jobId: string): Promise<string> {
    const path = this.#copyOf(jobId);
    if (!(await this.#bucket.download(keyOf(jobId), path + UNFINISHED))) {
      throw new AppError('internal', 'the archive of the job is gone');
    }
    await rename(path + UNFINISHED, path);
    return path;
  }

  async remove(jobId: string): Promise<void> {
    const path = this.#copyOf(jobId);
    for (const each of [path, path + UNFINISHED]) await rm(each, { force: true });
    await this.#bucket.remove(keyOf(jobId));
  }

  close(): void {
    this.#bucket.close();
  }

  #copyOf(jobId: string): string {
    return join(this.#folder, `${jobId}.zip`);
  }
}

function keyOf(jobId: string): string {
  return `${ARCHIVES}${jobId}.zip`;
}
