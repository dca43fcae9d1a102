import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of a file, or of all files under a folder; 0 where there is none. */
export async function bytesUnder(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isDirectory()) return found?.size ?? 0;
  let bytes = 0;
  for (const entry of await readdir(path)) bytes += await bytesUnder(join(path, entry));
  return bytes;
}
