import { readdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../common/durable-files.ts';
import { AppError } from '../../common/errors.ts';
import type { ManifestDocument } from '../../registry/manifest.ts';

/** Seconds; somebody has to free space first. */
const RETRY_AFTER_S = 60;

/** Gives the bytes that are free for this user on the disk of a folder, there or not. */
export type FreeBytes = (folder: string) => Promise<number>;

/**
 * Refuses a pull that would fill the disk: the weights and, of a whole model, both converted formats must fit.
 * @param work the folder with what an interrupted pull has downloaded
 * @throws AppError `storage_full`
 */
export async function expectSpace(
  { name, weights, needs }: ManifestDocument,
  backboneOnly: boolean,
  work: string,
  freeBytes: FreeBytes = freeBytesOf,
): Promise<void> {
  // The beginning of the file, and the backbone that is made of it.
  const backbone = backboneOnly && weights.backbone !== undefined ? 2 * weights.backbone.size_bytes : undefined;
  const needed = (backbone ?? needs?.disk_bytes ?? weights.size_bytes) - (await bytesIn(work));
  const free = await freeBytes(work);
  if (free >= needed) return;
  const detail = `"${name}" needs ${megabytes(needed)}, and the disk of the server has only ${megabytes(free)} left. Free some space, then try again.`;
  throw new AppError('storage_full', detail, {
    retryAfter: RETRY_AFTER_S,
    context: { needed_bytes: needed, free_bytes: free },
  });
}

async function freeBytesOf(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown;
    return freeBytesOf(dirname(folder));
  }
}

async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = names.map(async (name) => (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
