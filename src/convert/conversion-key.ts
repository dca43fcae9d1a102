import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CONVERTER_FOLDER = fileURLToPath(new URL('.', import.meta.url));

let ownDigest: Promise<string> | undefined;

/** SHA-256 over the converter's own files: another converter may make other models of the same weights. */
export function converterDigest(): Promise<string> {
  // Read once: what runs is what was loaded, whatever becomes of the files.
  ownDigest ??= digestOfFiles();
  return ownDigest;
}

async function digestOfFiles(): Promise<string> {
  const files = await readdir(CONVERTER_FOLDER, { recursive: true });
  const hash = createHash('sha256');
  for (const file of files.filter((name) => /\.[jt]s$/.test(name)).sort()) {
    hash.update(`${file}\0`).update(await readFile(join(CONVERTER_FOLDER, file)));
  }
  return hash.digest('hex');
}

/**
 * Key of a cached conversion: SHA-256 of the converter's digest and of all that decides what it makes. Values are taken
 * as JSON, so the order of an architecture's fields matters; the worst of that is a conversion too many.
 */
export async function conversionKey(source: {
  readonly weightsSha256: string;
  readonly architecture: unknown;
  readonly inputSize: readonly number[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
}): Promise<string> {
  const { weightsSha256, architecture, inputSize, mean, std } = source;
  const parts = [await converterDigest(), weightsSha256, architecture, inputSize, mean, std];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
