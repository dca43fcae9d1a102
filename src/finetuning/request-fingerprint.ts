import { createHash } from 'node:crypto';
import { digestFile } from '../common/file-digest.ts';
import type { JsonObject } from '../common/json.ts';

/** What tells two requests apart: SHA-256 over the options, in any order, and the file. */
export async function fingerprintOf(options: JsonObject, archivePath: string): Promise<string> {
  const { sha256 } = await digestFile(archivePath);
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([sorted, sha256]))
    .digest('hex');
}
