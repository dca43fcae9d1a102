import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const digests = new Map<string, Promise<string>>();

/**
 * SHA-256 over the names and contents of the code in a folder, in hexadecimal; part of the key of what the code
 * computes. A folder is read once per process, since the process runs the code that it has loaded.
 * @param folder URL of the folder, as `new URL('.', import.meta.url)` gives it
 */
export function codeDigest(folder: URL): Promise<string> {
  const path = fileURLToPath(folder);
  const digest = digests.get(path) ?? digestOfFiles(path);
  digests.set(path, digest);
  return digest;
}

async function digestOfFiles(folder: string): Promise<string> {
  const files = await readdir(folder, { recursive: true });
  const hash = createHash('sha256');
  for (const file of files.filter((name) => /\.[jt]s$/.test(name)).sort()) {
    hash.update(`${file}\0`).update(await readFile(join(folder, file)));
  }
  return hash.digest('hex');
}
