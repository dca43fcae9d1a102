import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UNFINISHED } from '../../durable-files.ts';
import { bytesUnder } from './bytes-under.ts';

/** A conversion's key, and what is kept of the backbone that it names: `<key>`, `<key>-layers`. */
const KEYED = /^([0-9a-f]{64})\b/;

/**
 * Removes from a data folder what no model refers to: conversions and features of models that are no more, pulls that were
 * never finished, and what died while it was being written. Nobody may be converting or training meanwhile.
 * @param keys of the conversions of all models that there are
 * @returns what was removed, from the data folder on, and its bytes
 */
export async function collectGarbage(
  dataDir: string,
  keys: ReadonlySet<string>,
): Promise<{ removed: string[]; bytes: number }> {
  const isLeft = (name: string) => name.endsWith(UNFINISHED) || !keys.has(KEYED.exec(name)?.[1] ?? '');
  const isUnfinished = (name: string) => name === '.pulling' || name.endsWith(UNFINISHED);
  const garbage = [
    ...(await entriesOf(dataDir, 'converted', isLeft)),
    ...(await entriesOf(dataDir, 'features', (name) => KEYED.test(name) && isLeft(name))),
    ...(await entriesOf(dataDir, 'zoo', isUnfinished)),
    ...(await entriesOf(dataDir, 'work', () => true)),
    ...(await entriesOf(dataDir, 'uploads', () => true)),
  ];
  let bytes = 0;
  for (const path of garbage) {
    bytes += await bytesUnder(join(dataDir, path));
    await rm(join(dataDir, path), { recursive: true, force: true });
  }
  return { removed: garbage, bytes };
}

async function entriesOf(dataDir: string, folder: string, matches: (name: string) => boolean): Promise<string[]> {
  const names = await readdir(join(dataDir, folder)).catch(() => []);
  return names
    .filter(matches)
    .sort()
    .map((name) => join(folder, name));
}
