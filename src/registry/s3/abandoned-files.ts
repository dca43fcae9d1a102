import type { S3Bucket } from './bucket.ts';
import { PROBES } from './conditional-writes.ts';

/** Below this are the files of versions, in a folder for each upload. */
export const FILES = 'files/';
/** An upload that takes longer than this is given up. */
export const MOST_UPLOAD_MS = 12 * 3_600_000;
/** Files that belong to no version are removed when they are this old by the clock of S3: no upload lives as long. */
const ABANDONED_AFTER_MS = 2 * MOST_UPLOAD_MS;

/**
 * Removes what processes have left that ended while they put or removed a version.
 * @param now the time by the clock of S3
 * @param foldersInUse `files/<name>/<folder>/` of all versions, read after it is called
 */
export async function removeAbandonedFiles(
  bucket: S3Bucket,
  now: Date,
  foldersInUse: () => Promise<ReadonlySet<string>>,
): Promise<void> {
  const before = new Date(now.getTime() - ABANDONED_AFTER_MS);
  await bucket.abortUploads(before);
  const files = await bucket.list(FILES);
  const probes = await bucket.list(PROBES);
  // An upload that ends from now on has newer files.
  const inUse = await foldersInUse();
  const young = new Set(files.filter(({ modified }) => modified >= before).map(({ key }) => folderOf(key)));
  const abandoned = files.filter(({ key }) => !inUse.has(folderOf(key)) && !young.has(folderOf(key)));
  const left = probes.filter(({ modified }) => modified < before);
  for (const { key } of [...abandoned, ...left]) await bucket.remove(key);
}

function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1);
}
