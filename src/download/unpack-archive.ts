import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { makeFolder } from '../common/durable-files.ts';
import { messageOf } from '../common/errors.ts';
import { KIND_BYTES } from '../common/file-kind.ts';
import { fileBytes, openZip } from '../common/open-zip.ts';

/** Endings of the archives that can be unpacked. A Python wheel is a zip. */
export const ARCHIVE_ENDINGS = ['.zip', '.whl', '.tgz', '.tar.gz', '.tar'] as const;

/** Packages with a model hold some hundred files. */
const MAX_FILES = 100_000;
/** The largest networks take two gigabytes. Applies to one file and to all together. */
const MAX_BYTES = 8e9;

interface ArchivedFile {
  readonly name: string;
  /** Unpacked size in bytes, as the archive declares it. */
  readonly size: number;
  readonly open: () => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;
}

/**
 * Unpacks the regular files of a zip or a tar, gzipped or not, into an empty folder; its bytes say which it is, not its
 * name. Links and devices are skipped.
 *
 * @param wants selects files by their name in the archive; all by default
 * @throws Error when the archive is damaged or too large, or when the name of a file leads out of the folder; the
 * signal's reason
 */
export async function unpackArchive(
  path: string,
  folder: string,
  { wants = () => true, signal }: { wants?: (name: string) => boolean; signal?: AbortSignal } = {},
): Promise<void> {
  try {
    let [files, bytes] = [0, 0];
    for await (const { name, size, open } of await filesIn(path)) {
      files += 1;
      bytes += size;
      if (files > MAX_FILES || bytes > MAX_BYTES) {
        throw new Error(`it holds more than ${MAX_FILES} files or ${MAX_BYTES} bytes; unpack it yourself`);
      }
      if (!wants(name)) continue;
      const target = join(folder, ...safeParts(name));
      await makeFolder(dirname(target));
      const content = Readable.from(expectSize(await open(), size, name));
      await pipeline(content, createWriteStream(target, { flags: 'wx' }), { signal });
    }
  } catch (cause) {
    signal?.throwIfAborted();
    throw new Error(`${basename(path)} cannot be unpacked: ${messageOf(cause)}`, { cause });
  }
}

async function filesIn(path: string): Promise<AsyncGenerator<ArchivedFile>> {
  const handle = await open(path);
  try {
    const { buffer } = await handle.read(Buffer.alloc(KIND_BYTES), 0, KIND_BYTES, 0);
    if (buffer.toString('latin1', 0, 2) === 'PK') return zipFiles(path);
    if (buffer[0] === 0x1f && buffer[1] === 0x8b) return tarFiles(path, true);
    if (buffer.toString('latin1', 257, 262) === 'ustar') return tarFiles(path, false);
    throw new Error('it is neither a zip nor a tar');
  } finally {
    await handle.close();
  }
}

async function* zipFiles(path: string): AsyncGenerator<ArchivedFile> {
  const handle = await open(path);
  try {
    const zip = await openZip(await fileBytes(handle), { autoClose: false });
    for await (const entry of zip.eachEntry()) {
      const isLink = entry.externalFileAttributes >>> 28 === 0o12;
      if (entry.fileName.endsWith('/') || isLink) continue;
      const { fileName: name, uncompressedSize: size } = entry;
      yield { name, size, open: () => zip.openReadStreamPromise(entry) };
    }
  } finally {
    await handle.close();
  }
}

async function* tarFiles(path: string, isGzipped: boolean): AsyncGenerator<ArchivedFile> {
  const tar = extract();
  let failure: unknown;
  const stages = isGzipped ? [createReadStream(path), createGunzip(), tar] : [createReadStream(path), tar];
  const piped = pipeline(stages).catch((thrown: unknown) => {
    failure = thrown;
  });
  const read = async function* (entry: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of entry) yield chunk as Uint8Array;
    } catch (thrown) {
      // The stream of an entry says only that it was destroyed; the pipeline knows why.
      await piped;
      throw failure ?? thrown;
    }
  };
  for await (const entry of tar) {
    const { name, size, type } = entry.header;
    if (type === 'file' || type === 'contiguous-file') yield { name, size, open: () => read(entry) };
    // The next entry comes only once this one has been read.
    entry.resume();
  }
}

/** Compares the size that the archive declares with the bytes that come out. */
async function* expectSize(content: AsyncIterable<Uint8Array>, size: number, name: string): AsyncGenerator<Uint8Array> {
  let seen = 0;
  for await (const chunk of content) {
    seen += chunk.length;
    if (seen > size) break;
    yield chunk;
  }
  if (seen !== size) throw new Error(`"${name}" does not have the ${size} bytes that the archive declares`);
}

function safeParts(name: string): string[] {
  const parts = name
    .replaceAll('\\', '/')
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.length === 0 || parts.some((part) => part === '..' || part.includes('\0'))) {
    throw new Error(`the name ${JSON.stringify(name)} leads out of it`);
  }
  return parts;
}
