import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer as collect } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { ZipFile } from 'yazl';

/** Input of `zipOf`. */
export interface ZipEntry {
  readonly name: string;
  readonly content: Buffer | string;
  /** Unix mode, for example 0o120777 for a symbolic link. */
  readonly mode?: number;
  readonly compress?: boolean;
}

/** A well-formed zip of these entries. */
export async function zipOf(entries: readonly ZipEntry[], { zip64 = false } = {}): Promise<Buffer> {
  const zip = new ZipFile();
  for (const { name, content, mode = 0o100644, compress = true } of entries) {
    const options = { mode, compress, mtime: new Date(2024, 0, 1), forceZip64Format: zip64 };
    if (name.endsWith('/')) zip.addEmptyDirectory(name, { mtime: options.mtime });
    else zip.addBuffer(Buffer.from(content), name, options);
  }
  zip.end({ forceZip64Format: zip64, comment: '' });
  return await collect(zip.outputStream);
}

/** Replaces a text by another of the same length everywhere: in local headers and in the central directory. */
export function swapped(zip: Buffer, from: string | Buffer, to: string | Buffer): Buffer {
  const [search, replacement] = [Buffer.from(from), Buffer.from(to)];
  if (search.length !== replacement.length) throw new Error('only texts of one length can be swapped in place');
  const copy = Buffer.from(zip);
  let found = 0;
  for (let at = copy.indexOf(search); at >= 0; at = copy.indexOf(search, at + replacement.length)) {
    replacement.copy(copy, at);
    found += 1;
  }
  if (found === 0) throw new Error(`the zip does not hold ${search.toString('latin1')}`);
  return copy;
}

/** Byte offsets of fields in a record of the central directory. */
const CENTRAL = { flags: 8, method: 10, crc: 16, compressedSize: 20, size: 24, localHeader: 42 } as const;

/** Overwrites a field of the `index`-th record of the central directory; flags and method are 16 bits, others 32. */
export function patched(zip: Buffer, index: number, field: keyof typeof CENTRAL, value: number): Buffer {
  const copy = Buffer.from(zip);
  let at = -1;
  for (let record = 0; record <= index; record++) {
    at = copy.indexOf(Buffer.from('PK\x01\x02', 'latin1'), at + 1);
    if (at < 0) throw new Error(`the zip has no record ${index}`);
  }
  if (field === 'flags' || field === 'method') copy.writeUInt16LE(value, at + CENTRAL[field]);
  else copy.writeUInt32LE(value, at + CENTRAL[field]);
  return copy;
}

/** A temporary folder that is removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'menagerie-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes bytes to a file that is removed when the test ends. @returns its path */
export function fileOf(content: Buffer): string {
  const path = join(temporaryFolder(), 'dataset.zip');
  writeFileSync(path, content);
  return path;
}
