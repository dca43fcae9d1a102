import { open, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { DownloadError } from './download-error.ts';

/** Identifies the version of the file that a part belongs to. */
const stateSchema = z.object({
  url: z.string(),
  /** For `If-Range`: a strong ETag or a date. */
  validator: z.string().optional(),
  /** Size of the whole file in bytes, if the host said it. */
  total: z.number().int().positive().optional(),
  /** The digest that the host published. */
  sha256: z.string().optional(),
});

export type PartState = z.output<typeof stateSchema>;

/**
 * The beginning of a file that is being downloaded: its bytes in `<file>.part`, and in `<file>.part.json` which version
 * of which file they belong to.
 */
export class PartFile {
  readonly path: string;
  readonly #statePath: string;
  readonly #target: string;

  constructor(target: string) {
    this.#target = target;
    this.path = `${target}.part`;
    this.#statePath = `${target}.part.json`;
  }

  /** What has been downloaded from a URL. Undefined for another URL, or when the state is missing or damaged. */
  async found(url: string): Promise<{ size: number; state: PartState } | undefined> {
    const size = (await stat(this.path).catch(() => undefined))?.size ?? 0;
    const text = await readFile(this.#statePath, 'utf8').catch(() => '');
    if (size === 0 || text === '') return undefined;
    let state: unknown;
    try {
      state = JSON.parse(text);
    } catch {
      return undefined;
    }
    const parsed = stateSchema.safeParse(state);
    return parsed.success && parsed.data.url === url ? { size, state: parsed.data } : undefined;
  }

  /** Starts from the beginning. @throws DownloadError when the disk has no room for `bytes` */
  async begin(state: PartState, bytes: number | undefined): Promise<void> {
    await rm(this.path, { force: true });
    if (bytes !== undefined) await expectRoom(dirname(this.path), bytes);
    await writeFile(this.#statePath, JSON.stringify(state));
  }

  /**
   * Appends chunks as they arrive, up to byte `end` of the file. What was written before an error stays.
   * @returns the size of the part
   */
  async append(
    chunks: AsyncIterable<Buffer>,
    end: number | undefined,
    onBytes: (size: number) => void,
  ): Promise<number> {
    const handle = await open(this.path, 'a');
    const limit = end ?? Number.POSITIVE_INFINITY;
    try {
      let { size } = await handle.stat();
      for await (const chunk of chunks) {
        const wanted = chunk.subarray(0, limit - size);
        await handle.appendFile(wanted);
        size += wanted.length;
        onBytes(size);
        if (size >= limit) break;
      }
      return size;
    } finally {
      await handle.close();
    }
  }

  /** Turns the complete part into the file, once its bytes are on the disk. */
  async finish(): Promise<void> {
    const handle = await open(this.path, 'r');
    await handle.sync();
    await handle.close();
    await rename(this.path, this.#target);
    await rm(this.#statePath, { force: true });
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(this.#statePath, { force: true });
  }
}

async function expectRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const room = bavail * bsize;
  if (room >= bytes) return;
  const megabytes = (count: number) => `${Math.ceil(count / 1e6)} MB`;
  throw new DownloadError(`the download has ${megabytes(bytes)}, but only ${megabytes(room)} are free in ${folder}`);
}
