import { copyFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, makeFolder, syncToDisk, UNFINISHED } from '../../common/durable-files.ts';

/** Archives of jobs, where every machine finds them that makes jobs or works on them. */
export interface JobArchives {
  /** Moves a local file here. It survives a crash once this resolves. */
  put(jobId: string, path: string): Promise<void>;
  /** @returns path of the archive on this machine, valid until `remove` */
  fetch(jobId: string): Promise<string>;
  /** Does nothing when there is none. */
  remove(jobId: string): Promise<void>;
  /** Ends all requests; there must be no more. */
  close(): void;
}

/** Archives in a folder: of one machine, or on a volume that all machines share. */
export class FolderArchives implements JobArchives {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<FolderArchives> {
    await makeFolder(folder);
    return new FolderArchives(folder);
  }

  async put(jobId: string, path: string): Promise<void> {
    const to = await this.fetch(jobId);
    try {
      await rename(path, to);
    } catch (thrown) {
      if (errnoOf(thrown) !== 'EXDEV') throw thrown;
      await copyFile(path, to + UNFINISHED);
      await rename(to + UNFINISHED, to);
      await rm(path, { force: true });
    }
    await syncToDisk(to);
    await syncToDisk(this.#folder);
  }

  async fetch(jobId: string): Promise<string> {
    return join(this.#folder, `${jobId}.zip`);
  }

  async remove(jobId: string): Promise<void> {
    const path = await this.fetch(jobId);
    await rm(path, { force: true });
    await rm(path + UNFINISHED, { force: true });
  }

  close(): void {}
}
